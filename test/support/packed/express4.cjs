// A CommonJS application with Express 4, as many services are.
const express = require('express');
const { Pool } = require('pg');

const pool = new Pool({ connectionString: process.env.DATABASE_URL, max: 3 });
const app = express();
app.set('env', 'test');
const router = express.Router();
router.get('/things/:id', async (request, response, next) => {
  try {
    const { rows } = await pool.query('SELECT id, name FROM things WHERE id = $1', [request.params.id]);
    response.json(rows);
  } catch (error) {
    next(error);
  }
});
router.get('/fail', (_request, _response, next) => void pool.query('SELECT nothing FROM things').catch(next));
app.use('/api', router);
app.use((error, _request, response, _next) =>
  response.status(500).json({ message: error.message, code: error.code }),
);
const server = app.listen(0, '127.0.0.1', () => console.log(`listening on ${server.address().port}`));
process.once('SIGTERM', () => server.close(() => pool.end()));
server.on('close', () => server.closeAllConnections());
