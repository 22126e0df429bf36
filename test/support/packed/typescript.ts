// A TypeScript application that Node runs as it is.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';

const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'] ?? '', max: 3 });
const statements: Record<string, string> = {
  things: 'SELECT id, name FROM things WHERE id = $1',
  fail: 'SELECT nothing FROM things WHERE id = $1',
};
const server = createServer(async (request, response) => {
  const [, , what = '', id = '0'] = (request.url ?? '').split('/');
  try {
    const { rows } = await pool.query(statements[what] ?? '', [id]);
    response.end(JSON.stringify(rows));
  } catch (error) {
    const { message, code } = error as Error & { code?: string };
    response.writeHead(500).end(JSON.stringify({ message, code }));
  }
});
server.listen(0, '127.0.0.1', () =>
  process.stdout.write(`listening on ${(server.address() as AddressInfo).port}\n`),
);
process.once('SIGTERM', () => {
  server.close(() => void pool.end());
  server.closeIdleConnections();
});
