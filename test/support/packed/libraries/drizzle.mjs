import { eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { integer, pgTable, text } from 'drizzle-orm/pg-core';
import pg from 'pg';

const things = pgTable('things', { id: integer('id').primaryKey(), name: text('name') });

export async function open(connectionString) {
  const pool = new pg.Pool({ connectionString, max: 3 });
  const db = drizzle(pool);
  return {
    things: (id) => db.select().from(things).where(eq(things.id, id)),
    fail: () => db.execute(sql`SELECT nothing FROM things`),
    close: () => pool.end(),
  };
}
