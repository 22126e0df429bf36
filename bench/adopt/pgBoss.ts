import { onDatabase } from '../onDatabase.ts';
import type { Application } from './application.ts';

/** A worker without HTTP. pg-boss makes a span for each job itself, when telemetry is there. */
export const pgBoss: Application = {
  name: 'pg-boss',
  packages: ['pg-boss@12.38.0', 'pg@8.23.1'],
  service: 'newsletter-worker',
  requests: false,
  files: ['pg-boss/worker.mjs'],
  program: ['worker.mjs'],
  env: ({ databaseUrl }) => ({ DATABASE_URL: databaseUrl }),
  ready: ({ databaseUrl }) =>
    onDatabase(databaseUrl, async (client) => {
      const { rows } = await client.query<{ sent: boolean }>('SELECT EXISTS (SELECT FROM delivery) AS sent');
      return rows[0]?.sent === true;
    }),
  fill: async () => {},
  work: () => [],
  pauseMs: 0,
  roots: [
    { root: 'process newsletter', statement: /^SELECT subscriber$/ },
    { root: 'process newsletter', statement: /^INSERT delivery$/ },
    { root: 'process newsletter', statement: /^UPDATE subscriber$/ },
  ],
};
