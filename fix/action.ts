import { createHash } from 'node:crypto';
import { z } from 'zod';
import { type Finding, queryidsOf } from '../diagnosis/finding.ts';
import type { Fix } from '../diagnosis/fix.ts';
import { fixSql, indexKeys } from '../diagnosis/fixSql.ts';

/** What an action does; also the order in which they are applied: the quickest mitigation first. */
export const actionKinds = ['index', 'settings', 'maintenance', 'query', 'pool'] as const;
export type ActionKind = (typeof actionKinds)[number];

const tableName = { schema: z.string(), table: z.string() };

/** What an action builds. */
const indexTarget = z.object({
  ...tableName,
  name: z.string(),
  /** Access method and key expressions, SQL; not in journals of earlier versions. */
  method: z.string().optional(),
  keys: z.array(z.string()).optional(),
});

/** Seconds, from what was timed on the server when the plan was made. */
const expectedTime = z.object({
  /** From beginning to applied, with the waits for others that were to be seen. */
  applySeconds: z.number(),
  /** Windows before and after; an action may use those of the one before it. */
  measureSeconds: z.number(),
  /** More windows, where the first ones show no gain. */
  longerSeconds: z.number(),
  /** What it rests on, in words. */
  basis: z.string(),
});

/**
 * A step of mitigation with everything one wants to know before saying yes. It is data only, so that it can be shown,
 * journalled and resumed by another process.
 */
export const actionSchema = z.object({
  /** Stable for the same step on the same object. */
  id: z.string(),
  kind: z.enum(actionKinds),
  title: z.string(),
  /** Ids of the findings that it answers. */
  findings: z.array(z.string()),
  /** Why it helps, and by how much as far as that is known. */
  reason: z.string(),
  /** In order; each is run in a transaction of its own. */
  sql: z.array(z.string()),
  undo: z.array(z.string()),
  lock: z.string(),
  risk: z.string(),
  /** Disk needed, bytes; null when it needs none worth mentioning, or it is not known. */
  bytes: z.number().nullable(),
  /** Predicted time before to time after of its statements (>= 1); null without a prediction. */
  predictedSpeedup: z.number().nullable(),
  /** queryids of the statements that should get faster. */
  statements: z.array(z.string()),
  index: indexTarget.nullable(),
  /** Temporary help that somebody has to review. */
  temporary: z.boolean(),
  /** The action whose statements need this one; they are not there to be measured until it is done. */
  neededBy: z.string().optional(),
  /** How long it is expected to take; not there where that was not timed. */
  time: expectedTime.optional(),
  /** Tables that it reads, beside the one of an index; ANALYZE reads a sample. */
  reads: z.array(z.object({ ...tableName, sample: z.boolean().optional() })).optional(),
  /** Why it cannot be done; then it is only shown. */
  blocked: z.string().optional(),
  /** What is done in place of `sql`, in words, where the server would refuse that as it stands. */
  steps: z.array(z.string()).optional(),
  /** What else was found when it was checked against the database. */
  notes: z.array(z.string()).optional(),
  /** For a pool: its size before and after. */
  pool: z.object({ from: z.number(), to: z.number() }).optional(),
});

export type Action = z.infer<typeof actionSchema>;
export type IndexTarget = z.infer<typeof indexTarget>;
export type ExpectedTime = z.infer<typeof expectedTime>;

/** The same SQL builds the same index: where an earlier build left parts, what is left is another. */
const isSameBuild = (a: Pick<Action, 'sql'>, b: Pick<Action, 'sql'>) =>
  a.sql.length === b.sql.length && a.sql.every((sql, at) => sql === b.sql[at]);

const withOwnId = (action: Action): Action => ({
  ...action,
  id: `${action.id}~${createHash('sha256').update(action.sql.join(';')).digest('hex').slice(0, 8)}`,
});

/**
 * The same actions, each with an id of its own: the id of an index is its name, which an entry of the journal may have for
 * another definition.
 */
export function distinguish(actions: readonly Action[], journal: readonly { action: Action }[]): Action[] {
  return actions.map((action) => {
    const known = journal.find((entry) => entry.action.id === action.id)?.action;
    return known?.index && action.index && !isSameBuild(known, action) ? withOwnId(action) : action;
  });
}

/** Kinds of fixes that are SQL alone. */
const kinds: Partial<Record<Fix['kind'], ActionKind>> = {
  index: 'index',
  setting: 'settings',
  maintenance: 'maintenance',
};

function actionFor(finding: Finding): Action | undefined {
  const { fix } = finding;
  const kind = fix?.automatic ? kinds[fix.kind] : undefined;
  if (!fix || !kind) return undefined;
  // What is only worth knowing is no reason to build anything; a setting costs nothing.
  if (finding.severity === 'info' && kind !== 'settings') return undefined;
  const { sql, undo } = fixSql(fix);
  if (sql.length === 0) return undefined;
  const create = fix.kind === 'index' ? fix.create : undefined;
  // The index of the whole table, where there are others for its partitions.
  const whole = create?.parts.at(-1);
  return {
    id: whole ? `index:${whole.schema}.${whole.index}` : `${kind}:${finding.id}`,
    kind,
    title: fix.summary,
    findings: [finding.id],
    reason: `${finding.title}. Expected: ${fix.expectedEffect}.`,
    sql,
    undo,
    lock: fix.lock,
    risk: fix.risk,
    bytes: fix.bytes ?? null,
    predictedSpeedup: fix.predictedSpeedup ?? null,
    statements: queryidsOf(finding),
    index:
      create && whole
        ? {
            schema: whole.schema,
            table: whole.table,
            name: whole.index,
            method: create.method,
            keys: indexKeys(create),
          }
        : null,
    temporary: kind === 'index',
    ...(fix.kind === 'maintenance' && fix.vacuum ? { reads: [fix.vacuum] } : {}),
  };
}

/** Actions that build the same index, as one; another definition of the same name gets an id of its own. */
export function mergeActions(actions: readonly Action[]): Action[] {
  const merged = new Map<string, Action>();
  for (const action of actions) {
    const known = merged.get(action.id);
    if (known && (!action.index || isSameBuild(known, action)))
      merged.set(action.id, {
        ...known,
        findings: [...known.findings, ...action.findings],
        statements: [...new Set([...known.statements, ...action.statements])],
      });
    else {
      const own = known ? withOwnId(action) : action;
      merged.set(own.id, own);
    }
  }
  return [...merged.values()].sort((a, b) => actionKinds.indexOf(a.kind) - actionKinds.indexOf(b.kind));
}

/** What can be applied of the findings, the most expensive cause first within each kind. */
export const actionsFor = (findings: readonly Finding[]): Action[] =>
  mergeActions(findings.flatMap((finding) => actionFor(finding) ?? []));
