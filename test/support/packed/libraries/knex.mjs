import knex from 'knex';

export async function open(connection) {
  const db = knex({ client: 'pg', connection, pool: { min: 0, max: 3 } });
  return {
    things: (id) => db('things').where({ id }).select('id', 'name'),
    fail: () => db('things').select('nothing'),
    close: () => db.destroy(),
  };
}
