import knex from 'knex';

const NOWHERE = 'postgres://nobody@127.0.0.1:1/nothing';

export async function open(connection) {
  const db = knex({ client: 'pg', connection, pool: { min: 0, max: 3 } });
  return {
    things: (id) => db('things').where({ id }).select('id', 'name'),
    fail: () => db('things').select('nothing'),
    forget() {
      const pool = { min: 0, max: 1, acquireTimeoutMillis: 1_000, propagateCreateError: true };
      knex({ client: 'pg', connection: NOWHERE, pool }).client.pool.acquire();
    },
    close: () => db.destroy(),
  };
}
