import pg from 'pg';

export async function open(connectionString) {
  const pool = new pg.Pool({ connectionString, max: 3 });
  return {
    things: async (id) => (await pool.query('SELECT id, name FROM things WHERE id = $1', [id])).rows,
    fail: () => pool.query('SELECT nothing FROM things'),
    close: () => pool.end(),
  };
}
