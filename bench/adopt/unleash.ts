import type pg from 'pg';
import type { Application, Surroundings, Work } from './application.ts';

const FLAGS = 40;
const ADMIN = '*:*.bench-only-admin-token';
const CLIENT = 'default:development.bench-only-client-token';
/** Rows that the event log grows by at a time, until a page of it is slow without its indexes. */
const GROWN_BY = 100_000;
const MOST = 3_000_000;
/** Five times the objective of a statement, and more, whatever the machine. */
const SLOW_MS = 600;

const at = ({ port }: Surroundings, path: string) => `http://127.0.0.1:${port}/api/${path}`;

async function send(
  surroundings: Surroundings,
  method: 'GET' | 'POST',
  path: string,
  { token = ADMIN, body, signal }: { token?: string; body?: unknown; signal: AbortSignal },
): Promise<string> {
  const response = await fetch(at(surroundings, path), {
    method,
    headers: { authorization: token, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.any([signal, AbortSignal.timeout(30_000)]),
  });
  await response.arrayBuffer();
  return `${method} ${path.split('?')[0]?.replace(/flag-\d+/, 'flag')} ${response.status}`;
}

const flag = () => `flag-${Math.floor(Math.random() * FLAGS)}`;

function work(surroundings: Surroundings): Work[] {
  const get =
    (path: () => string, token?: string): Work =>
    (signal) =>
      send(surroundings, 'GET', path(), { ...(token ? { token } : {}), signal });
  const events = get(() => `admin/search/events?feature=IS:${flag()}&limit=25`);
  return [
    get(() => 'client/features', CLIENT),
    events,
    get(() => `admin/projects/default/features/${flag()}`),
    events,
    (signal) =>
      send(
        surroundings,
        'POST',
        `admin/projects/default/features/${flag()}/environments/development/${Math.random() < 0.5 ? 'on' : 'off'}`,
        { body: {}, signal },
      ),
    get(() => 'admin/projects'),
  ];
}

/** Feature flags for other programs: Express and Knex. Its event log is what grows in it. */
export const unleash: Application = {
  name: 'unleash',
  packages: ['unleash-server@8.2.0'],
  service: 'unleash',
  requests: true,
  program: ['node_modules/unleash-server/dist/server.js'],
  env: ({ databaseUrl, port }) => ({
    DATABASE_URL: databaseUrl,
    DATABASE_SSL: 'false',
    HTTP_HOST: '127.0.0.1',
    PORT: String(port),
    INIT_ADMIN_API_TOKENS: ADMIN,
    INIT_BACKEND_API_TOKENS: CLIENT,
    CHECK_VERSION: 'false',
    SEND_TELEMETRY: 'false',
  }),
  ready: async (surroundings) => (await fetch(`http://127.0.0.1:${surroundings.port}/health`)).ok,
  async fill(surroundings, signal) {
    for (let number = 0; number < FLAGS; number += 1) {
      const outcome = await send(surroundings, 'POST', 'admin/projects/default/features', {
        body: { name: `flag-${number}`, type: 'release' },
        signal,
      });
      if (!/ 20\d$/.test(outcome)) throw new Error(`a flag was not made: ${outcome}`);
    }
  },
  work,
  pauseMs: 150,
  roots: [
    { root: 'GET /api/admin/search/events', statement: /^SELECT events/ },
    { root: 'GET /api/admin/projects/:projectId/features/:featureName', statement: /^SELECT .*features/ },
    {
      root: 'POST /api/admin/projects/:projectId/features/:featureName/environments/:environment/on',
      statement: /^INSERT events/,
    },
  ],
  fault: {
    what: 'the event log grown, and its indexes on the flag dropped',
    async plant(client: pg.Client) {
      // Each by itself, so that nothing waits for a lock for long.
      await client.query('DROP INDEX feature_name_idx, idx_events_project_feature_created');
      for (let rows = 0; rows < MOST; rows += GROWN_BY) {
        await client.query(
          `INSERT INTO events (type, created_by, created_at, data, project, environment, feature_name, announced)
           SELECT 'feature-updated', 'importer', now() - i * interval '20 s',
                  json_build_object('name', 'imported-' || i % 20000, 'description', repeat('x', 400)),
                  'default', 'development', 'imported-' || i % 20000, true
             FROM generate_series($1::int, $2::int) AS i`,
          [rows + 1, rows + GROWN_BY],
        );
        await client.query('ANALYZE events');
        const since = performance.now();
        await client.query("SELECT count(*) FROM events WHERE feature_name = 'flag-1'");
        if (performance.now() - since > SLOW_MS) return `${rows + GROWN_BY} rows more`;
      }
      return `${MOST} rows more`;
    },
    alert: 'SlowStatements',
    labels: { http_route: '/api/admin/search/events' },
    check: 'missing-index',
    table: 'events',
  },
  blockade: { sql: 'LOCK TABLE events', table: 'events', statement: /^(SELECT|INSERT) events/ },
};
