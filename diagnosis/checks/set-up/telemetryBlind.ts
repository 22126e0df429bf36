import type { Check, CheckContext } from '../../check.ts';
import type { FixOf } from '../../fix.ts';

const librariesOf = (value: string) =>
  value
    .split(',')
    .map((name) => name.trim().replaceAll('"', ''))
    .filter(Boolean);

/** Less of the database time is not worth more statistics. */
const MIN_SHARE = 0.02;

/** Functions of the application whose calls take time: with track = top their statements are not known. */
async function functionsCalled(context: CheckContext): Promise<string[]> {
  const entries = (await context.workload()).filter(({ share }) => share >= MIN_SHARE);
  // Only what has no table of its own: of other statements the plan says where the time goes.
  const called = entries
    .filter(({ shape, statement }) => shape?.tables.length === 0 || /^\s*CALL\b/i.test(statement.text))
    .flatMap(({ statement }) =>
      [...statement.text.matchAll(/([\w$]+)"?\s*\(/g)].map(([, name = '']) => name),
    );
  if (called.length === 0) return [];
  const functions = await context.session.query<{ name: string }>(
    `SELECT DISTINCT p.proname::text AS name FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace n ON n.oid = p.pronamespace
      WHERE l.lanname NOT IN ('internal', 'c') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND p.prokind IN ('f', 'p')
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
        AND p.prorettype <> 'trigger'::regtype AND p.proname = ANY($1::text[])`,
    [called],
  );
  return functions.map(({ name }) => name).sort();
}

export const check: Check = {
  id: 'telemetry-blind',
  group: 'set-up',
  title: 'Nothing is recorded',
  description:
    'pg_stat_statements, statements inside functions, track_io_timing, slow-statement logging and auto_explain.',
  async *run(context) {
    const value = (name: string) => context.settings.get(name)?.value ?? '';
    const preloaded = value('shared_preload_libraries');
    const missing: { what: string; extension?: string; setting?: FixOf<'setting'>['settings'][number] }[] =
      [];
    if (!context.capabilities.pgStatStatements && !context.capabilities.statementsUnreadable)
      missing.push({
        what: 'pg_stat_statements',
        ...(librariesOf(preloaded).includes('pg_stat_statements')
          ? { extension: 'pg_stat_statements' }
          : {
              setting: {
                name: 'shared_preload_libraries',
                values: [...librariesOf(preloaded), 'pg_stat_statements'],
              },
            }),
      });
    const logs = value('log_min_duration_statement') !== '-1' || preloaded.includes('auto_explain');
    if (!logs)
      missing.push({
        what: 'slow-statement logging',
        setting: { name: 'log_min_duration_statement', values: ['500ms'] },
      });
    const hidden = value('pg_stat_statements.track') === 'top' ? await functionsCalled(context) : [];
    if (hidden.length > 0)
      missing.push({
        what: `what ${hidden.join(', ')} ${hidden.length === 1 ? 'runs' : 'run'} inside`,
        setting: { name: 'pg_stat_statements.track', values: ['all'] },
      });
    if (value('log_lock_waits') === 'off')
      missing.push({ what: 'log_lock_waits', setting: { name: 'log_lock_waits', values: ['on'] } });
    if (value('track_io_timing') === 'off')
      missing.push({ what: 'track_io_timing', setting: { name: 'track_io_timing', values: ['on'] } });
    if (missing.length === 0) return;
    yield {
      id: 'telemetry-blind',
      check: 'telemetry-blind',
      severity: context.capabilities.pgStatStatements ? 'info' : 'warning',
      title: `Not recorded: ${missing.map(({ what }) => what).join(', ')}`,
      explanation:
        'Without these, nobody can say afterwards which statement hurt; what is found here is from the moment only.',
      cause: 'telemetry-blind',
      objects: [],
      statements: [],
      evidence: missing.map(({ what }) => ({ label: what, value: 'off', how: `SELECT * FROM pg_settings` })),
      cost: {},
      confidence: { level: 1, basis: 'exact' },
      explains: { kpis: ['spans-lost'], traces: [] },
      fix: {
        kind: 'setting',
        summary: 'switch them on',
        extensions: missing.flatMap(({ extension }) => extension ?? []),
        settings: missing.flatMap(({ setting }) => setting ?? []),
        reset: false,
        lock: 'none; shared_preload_libraries needs a restart, the others a reload',
        risk: 'Logged statements hold values: keep the log as safe as the data.',
        expectedEffect: 'the next diagnosis knows which statement took the time',
      },
    };
  },
};
