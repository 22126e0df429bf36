// A service as small as it can be: BENCH_STATEMENTS look-ups by key a request, one after the other.
const express = require('express');
const pg = require('pg');

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
const statements = Number(process.env.BENCH_STATEMENTS);
const app = express();
app.get('/items/:id', async (request, response) => {
  const found = [];
  for (let at = 0; at < statements; at += 1) {
    const { rows } = await pool.query('SELECT id, name, price FROM item WHERE id = $1', [
      ((Number(request.params.id) + at) % 1000) + 1,
    ]);
    found.push(rows[0]);
  }
  response.json(found);
});
// Requests that the load gave up at its end may find the pool ended; any other failure is counted by the load.
app.use((_error, _request, response, _next) => response.status(500).end());
const server = app.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.on('message', () => {
  global.gc();
  process.send({ cpu: process.cpuUsage(), heapUsed: process.memoryUsage().heapUsed });
});
process.once('SIGTERM', () => {
  server.close(() => pool.end());
  server.closeIdleConnections();
  process.disconnect();
});
