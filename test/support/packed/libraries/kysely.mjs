import { Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';

export async function open(connectionString) {
  const db = new Kysely({
    dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString, max: 3 }) }),
  });
  return {
    things: (id) => db.selectFrom('things').select(['id', 'name']).where('id', '=', id).execute(),
    fail: () => db.selectFrom('things').select('nothing').execute(),
    close: () => db.destroy(),
  };
}
