import { z } from 'zod';
import type { Fix } from './fix.ts';

/** Windows of the growth evidence of version 1, in its order. */
const GROWTH_DAYS = [30, 90, 365];

/** Kinds of the fixes of version 1, which had SQL only. */
const kinds: Record<string, Fix['kind']> = {
  'missing-index': 'index',
  'foreign-key-without-index': 'index',
  'leading-wildcard': 'index',
  'duplicate-index': 'index',
  'unused-index': 'index',
  'invalid-index': 'index',
  'bloated-index': 'maintenance',
  'dead-rows': 'maintenance',
  'timeouts-missing': 'setting',
  'telemetry-blind': 'setting',
  'autovacuum-off': 'setting',
  'cold-data': 'archive',
  'missing-primary-key': 'migration',
  'missing-foreign-key': 'migration',
  'functional-dependency': 'migration',
  'list-in-column': 'migration',
  'entity-attribute-value': 'migration',
  'typed-as-text': 'migration',
  'hot-row': 'application',
};

const fields: Record<Fix['kind'], object> = {
  index: {},
  setting: { settings: [], reset: false },
  maintenance: {},
  rewrite: {},
  archive: { column: null, before: '', text: false },
  migration: { changes: [] },
  application: { changes: [] },
};

const versionOne = z.looseObject({
  format: z.literal(1),
  notes: z.array(z.string()),
  checks: z.array(z.looseObject({ id: z.string(), problem: z.string().optional() })),
  findings: z.array(
    z.looseObject({
      id: z.string().default(''),
      check: z.string(),
      explains: z.looseObject({}).optional(),
      objects: z.array(z.looseObject({ schema: z.string(), table: z.string().optional() })),
      statements: z.array(z.string()),
      evidence: z.array(
        z.looseObject({ value: z.union([z.number(), z.string()]), unit: z.string().optional() }),
      ),
      fix: z.looseObject({ sql: z.array(z.string()), undo: z.array(z.string()) }).optional(),
    }),
  ),
});

/** Version 1 had the route of an N+1 in its id only: `n-plus-one:<route>:<summary>`. */
const routeOf = (id: string) => id.slice(id.indexOf(':') + 1, id.lastIndexOf(':'));

const NOT_RUN = 'not run: ';

/** A diagnosis of version 1 as one of version 2; anything else as it is, for the schema to judge. */
export function upgraded(value: unknown): unknown {
  const parsed = versionOne.safeParse(value);
  if (!parsed.success) return value;
  const { notes, checks, findings, ...rest } = parsed.data;
  const told = new Set(checks.map(({ id, problem }) => `${id}: ${problem}`));
  return {
    ...rest,
    format: 2,
    // Version 1 said in its notes what a check could not do, and named those that were not run nowhere else.
    notes: notes.filter((note) => !told.has(note) && !note.startsWith(NOT_RUN)),
    checks: [
      ...checks.map((check) => ({ ...check, outcome: check.problem === undefined ? 'complete' : 'failed' })),
      ...notes
        .filter((note) => note.startsWith(NOT_RUN))
        .flatMap((note) => note.slice(NOT_RUN.length).split(', '))
        .map((id) => ({ id, outcome: 'not run', findings: 0, busyMs: 0 })),
    ],
    findings: findings.map(({ statements, fix, ...finding }) => {
      const [object] = finding.objects;
      const growth = finding.evidence.filter(({ unit }) => unit === 'By/d');
      const { sql, undo, index: _index, ...said } = fix ?? { sql: [], undo: [], index: undefined };
      const kind = kinds[finding.check] ?? 'rewrite';
      return {
        ...finding,
        ...(finding.check === 'n-plus-one'
          ? { explains: { ...finding.explains, route: routeOf(finding.id) } }
          : {}),
        statements: statements.map((queryid) => ({ queryid, summary: null, fingerprint: null })),
        ...(growth.length === GROWTH_DAYS.length
          ? {
              metrics: {
                growth: GROWTH_DAYS.map((days, at) => ({ days, bytesPerDay: growth[at]?.value })),
              },
            }
          : {}),
        ...(fix
          ? {
              fix: {
                ...fields[kind],
                ...(kind === 'archive' ? { schema: object?.schema, table: object?.table } : {}),
                ...said,
                kind,
                recorded: { sql, undo },
              },
            }
          : {}),
      };
    }),
  };
}
