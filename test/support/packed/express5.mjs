// An ESM application with Express 5 on whatever is named: a library that gives statements to pg.
import { once } from 'node:events';
import express from 'express';

const { open } = await import(`./libraries/${process.env.LIBRARY}.mjs`);
const library = await open(process.env.DATABASE_URL);
const router = express.Router();
router.get('/things/:id', async (request, response) =>
  response.json(await library.things(Number(request.params.id))),
);
router.get('/fail', async (_request, response) => response.json(await library.fail()));
// A connection that is asked for and cannot be made, and that nobody looks after: Node says so, and ends without this.
router.get('/forgotten', async (_request, response) => {
  if (!library.forget) return response.end();
  const unhandled = once(process, 'unhandledRejection');
  library.forget();
  const [{ code }] = await unhandled;
  response.json({ code });
});
const app = express();
app.use('/api', router);
app.use((error, _request, response, _next) => {
  const { message, code } = error.cause ?? error.original ?? error;
  response.status(500).json({ message, code });
});
const server = app.listen(0, '127.0.0.1', () => console.log(`listening on ${server.address().port}`));
process.once('SIGTERM', () => {
  server.close(() => library.close());
  server.closeIdleConnections();
});
