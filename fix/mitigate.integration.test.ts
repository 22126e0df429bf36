import { beforeAll, expect, it, vi } from 'vitest';
import { fixCommand } from '../cli/fix.ts';
import { ActionService } from '../console/actions.ts';
import { DiagnosisService } from '../console/diagnosis.ts';
import { DatabaseSource } from '../console/sources/database.ts';
import { Gate } from '../console/sources/gate.ts';
import { TraceStore } from '../console/traces/store.ts';
import { mitigationStage } from '../demo/mitigation.ts';
import { defaultDiagnosis, diagnose } from '../diagnosis/run.ts';
import { waitFor } from '../lib/waitFor.ts';
import type { Recording } from '../report/recording.ts';
import { databaseFor, forgetStatements } from '../test/support/database.ts';
import { findingOf } from '../test/support/diagnosis.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import type { Action } from './action.ts';
import { readJournal } from './journal.ts';
import { MITIGATED, planFor } from './mitigate.ts';

const database = databaseFor('all');
const { signal } = new AbortController();

beforeAll(async () => {
  await database.client.query(`CREATE EXTENSION pg_stat_statements;
    CREATE TABLE sale (id int PRIMARY KEY, mail text NOT NULL, note text NOT NULL);
    INSERT INTO sale SELECT i, 'mail ' || i, md5(i::text) FROM generate_series(1, 30000) i;
    ANALYZE`);
  await database.client.query(forgetStatements);
  for (let at = 0; at < 30; at += 1) {
    await database.client.query('SELECT * FROM sale WHERE mail = $1', [`mail ${at}`]);
    await database.client.query('SELECT id FROM sale WHERE note LIKE $1', [`%${at}ab%`]);
  }
});

const shown = (actions: readonly Action[]) =>
  actions.map(({ id, sql, undo, lock, index, blocked }) => ({ id, sql, undo, lock, index, blocked }));

/** What proposed the action, for a diagnosis that does not propose it again. */
const asFinding = ({ index, sql, undo }: Action) =>
  findingOf({
    severity: 'critical',
    fix: {
      kind: 'index',
      automatic: true,
      summary: '',
      lock: '',
      risk: '',
      expectedEffect: '',
      recorded: { sql, undo },
      create: {
        schema: index?.schema ?? '',
        table: index?.table ?? '',
        method: 'btree',
        keys: [],
        ordered: false,
        parts: [
          {
            schema: index?.schema ?? '',
            table: index?.table ?? '',
            index: index?.name ?? '',
            how: 'concurrently',
            attach: [],
          },
        ],
      },
    },
  });

async function commandLine(): Promise<Action[]> {
  const written: string[] = [];
  const output = vi
    .spyOn(process.stdout, 'write')
    .mockImplementation((text) => written.push(String(text)) > 0);
  try {
    await fixCommand(signal).exitOverride().parseAsync(['plan', database.url, '--json'], { from: 'user' });
  } finally {
    output.mockRestore();
  }
  return JSON.parse(written.join('')).actions;
}

it('console, command line and demo plan the same of what one diagnosis found', async () => {
  const found = await diagnose({ ...defaultDiagnosis, url: database.url, only: [...MITIGATED], signal });
  const source = new DatabaseSource(database.url, signal);
  let changes = 0;
  const log = (message: string) => {
    throw new Error(message);
  };
  const diagnosis = new DiagnosisService({
    database: source,
    traces: new TraceStore({ maxTraces: 1, maxBytes: 1_000_000 }),
    signal,
    turn: new Gate('The diagnosis', 1, 1),
    onChange: () => {},
    log,
  });
  const actions = new ActionService({
    database: source,
    ownerUrl: database.url,
    diagnosis,
    signal,
    onChange: () => {
      changes += 1;
    },
    log,
    windows: 0,
    windowMs: 0,
  });
  await diagnosis.deliver(JSON.parse(JSON.stringify(found)));
  await actions.read();
  await waitFor('the plan is checked', () => changes > 0, { deadlineMs: PATIENCE_MS });
  const ofConsole = (await actions.read()).actions.map(({ action }) => action);
  expect(ofConsole.map(({ kind }) => kind)).toContain('index');
  expect(ofConsole.map(({ kind }) => kind)).toContain('settings');

  expect(shown(await commandLine())).toEqual(shown(ofConsole));

  const recording = { actions: [] } as unknown as Recording;
  await mitigationStage(
    {
      databases: { owner: database.url, monitor: database.url },
      // Nobody answers there: nothing is known of traces.
      consoleUrl: 'http://127.0.0.1:9',
      recording,
      application: { handlers: {}, actions: () => [] },
      say: () => {},
      status: () => {},
      signal,
    },
    found,
  );
  const ofDemo = recording.actions.map(({ action }) => action);
  expect(shown(ofDemo.slice(0, ofConsole.length))).toEqual(shown(ofConsole));
});

it('an action that a killed run has done and not noted is resumed, not called needless', async () => {
  const found = await diagnose({ ...defaultDiagnosis, url: database.url, only: [...MITIGATED], signal });
  const [index] = (await readJournal(database.url)).filter(({ action }) => action.index);
  if (!index) throw new Error('no index was built');
  await database.client.query("UPDATE sqltrail.action SET state = 'applying' WHERE id = $1", [
    index.action.id,
  ]);
  const planned = await planFor({
    findings: [...found.findings, asFinding(index.action)],
    readUrl: database.url,
    url: database.url,
    signal,
  });
  expect(planned.find(({ id }) => id === index.action.id)?.blocked).toBeUndefined();
});
