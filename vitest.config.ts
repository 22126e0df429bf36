import path from 'node:path';
import { defineConfig } from 'vitest/config';

const exclude = ['**/node_modules/**', 'out/**', '.sqltrail/**'];

/**
 * No test asserts how fast the machine is, so these only end a test that hangs: generous enough for two cores with four
 * busy programs on each. Here alone; a test with a limit of its own says why.
 */
const patience = {
  unit: { testTimeout: 300_000, hookTimeout: 300_000, expect: { poll: { timeout: 100_000 } } },
  integration: { testTimeout: 600_000, hookTimeout: 600_000, expect: { poll: { timeout: 100_000 } } },
  e2e: { testTimeout: 900_000, hookTimeout: 1_800_000, expect: { poll: { timeout: 100_000 } } },
};

const env = {
  /** Tests observe the sample shop, as the demo does. */
  SQLTRAIL_CONFIG: path.join(import.meta.dirname, 'sample-shop', 'sqltrail.yaml'),
  /** Tests that kill runs start many processes: compiled once they take half the time to begin. */
  NODE_COMPILE_CACHE: path.join(import.meta.dirname, 'node_modules', '.cache', 'node'),
};

/**
 * Three speeds of test. `unit` needs nothing; `integration` gets one embedded Postgres for the whole run;
 * `e2e` runs the real binaries (built on first use), one file at a time because they share two cores. Each
 * waits for the one before.
 */
export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          env,
          ...patience.unit,
          sequence: { groupOrder: 0 },
          include: ['**/*.test.ts'],
          exclude: [...exclude, '**/*.integration.test.ts', '**/*.e2e.test.ts'],
        },
      },
      {
        test: {
          name: 'integration',
          env,
          sequence: { groupOrder: 1 },
          include: ['**/*.integration.test.ts'],
          exclude,
          globalSetup: ['test/support/postgres.global.ts'],
          ...patience.integration,
          maxWorkers: 4,
        },
      },
      {
        test: {
          name: 'e2e',
          env,
          sequence: { groupOrder: 2 },
          include: ['**/*.e2e.test.ts'],
          exclude,
          ...patience.e2e,
          fileParallelism: false,
        },
      },
    ],
  },
});
