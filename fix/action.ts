import { createHash } from 'node:crypto';
import type { Finding } from '../diagnosis/finding.ts';
import { indexStatement } from './statement.ts';

/** What an action does; also the order in which they are applied: the quickest relief first. */
export const actionKinds = ['index', 'settings', 'maintenance', 'query', 'pool'] as const;
export type ActionKind = (typeof actionKinds)[number];

/**
 * A step of relief with everything one wants to know before saying yes. It is data only, so that it can be shown,
 * journalled and taken up again by another process.
 */
export interface Action {
  /** Stable for the same step on the same object. */
  id: string;
  kind: ActionKind;
  title: string;
  /** Ids of the findings that it answers. */
  findings: string[];
  /** Why it helps, and by how much as far as that is known. */
  reason: string;
  /** In order; each is run in a transaction of its own. */
  sql: string[];
  undo: string[];
  lock: string;
  risk: string;
  /** Disk needed, bytes; null when it needs none worth mentioning, or it is not known. */
  bytes: number | null;
  /** Predicted time before to time after of its statements (>= 1); null without a prediction. */
  predictedSpeedup: number | null;
  /** queryids of the statements that should get faster. */
  statements: string[];
  /** For an index: what is built. */
  index: IndexTarget | null;
  /** Temporary help that somebody has to look at again. */
  temporary: boolean;
  /** The action whose statements need this one; they are not there to be measured until it is done. */
  neededBy?: string;
  /** How long it is expected to take; not there where that was not timed. */
  time?: ExpectedTime;
  /** Tables that its SQL reads whole, where the SQL itself does not say so. */
  reads?: TableName[];
  /** Why it cannot be done; then it is only shown. */
  blocked?: string;
  /** What is done in place of `sql`, in words, where the server would refuse that as it stands. */
  steps?: string[];
  /** What else was found when it was checked against the database. */
  notes?: string[];
  /** For a pool: its size before and after. */
  pool?: { from: number; to: number };
}

export interface TableName {
  schema: string;
  table: string;
}

export interface IndexTarget extends TableName {
  name: string;
}

/** Seconds, from what was timed on the server when the plan was made. */
export interface ExpectedTime {
  /** From beginning to applied, with the waits for others that were to be seen. */
  applySeconds: number;
  /** Windows before and after; an action may use those of the one before it. */
  measureSeconds: number;
  /** The longer look, where the first one shows no gain. */
  longerSeconds: number;
  /** What it rests on, in words. */
  basis: string;
}

/** Findings whose fix can be applied without changing the application. */
const kinds: Record<string, ActionKind> = {
  'missing-index': 'index',
  'foreign-key-without-index': 'index',
  'leading-wildcard': 'index',
  'timeouts-missing': 'settings',
  'dead-rows': 'maintenance',
};

const unquote = (name: string) => name.slice(1, -1).replaceAll('""', '"');

/** The index that the fix of a finding builds: that of the whole table, where there are others for its partitions. */
export function indexTarget(sql: readonly string[]): IndexTarget | null {
  const builds = sql.flatMap((statement) => indexStatement(statement) ?? []);
  const build = builds.find(({ only }) => only) ?? builds[0];
  if (build?.name === undefined) return null;
  return { schema: build.table.schema ?? 'public', table: build.table.name, name: build.name };
}

const keysOf =
  /^CREATE INDEX .*? ON (?:ONLY )?(?:"(?:[^"]|"")+"\.)?"(?:[^"]|"")+" (?:USING (\w+) )?\((.*)\)$/s;

/** Access method and list of key expressions of the index that the fix of a finding builds. */
export function indexKeys(sql: readonly string[]): { method: string; keys: string } | null {
  for (const statement of sql) {
    const [, method = 'btree', list] = keysOf.exec(statement) ?? [];
    // An operator class is of the index alone.
    if (list) return { method, keys: list.replaceAll(/ \w+_ops\b/g, '') };
  }
  return null;
}

const reading = /^(VACUUM|ANALYZE)\b[^"]*(?:("(?:[^"]|"")+")\.)?("(?:[^"]|"")+")/;

/** Tables that the SQL of an action other than an index reads; ANALYZE reads a sample. */
export function tablesRead({ sql, reads = [] }: Action): (TableName & { whole: boolean })[] {
  const named = sql.flatMap((statement) => {
    const [, verb, schema, table] = reading.exec(statement) ?? [];
    return table
      ? [{ schema: schema ? unquote(schema) : 'public', table: unquote(table), whole: verb === 'VACUUM' }]
      : [];
  });
  return [...reads.map((table) => ({ ...table, whole: true })), ...named];
}

const sameBuild = (a: Pick<Action, 'sql'>, b: Pick<Action, 'sql'>) =>
  JSON.stringify(a.sql.map((sql) => indexStatement(sql)?.rest)) ===
  JSON.stringify(b.sql.map((sql) => indexStatement(sql)?.rest));

const otherId = (id: string, sql: readonly string[]) =>
  `${id}~${createHash('sha256').update(sql.join(';')).digest('hex').slice(0, 8)}`;

/**
 * The same actions, each with an id of its own: the id of an index is its name, which an entry of the journal may have for
 * another definition.
 */
export function distinguish(actions: readonly Action[], journal: readonly { action: Action }[]): Action[] {
  return actions.map((action) => {
    const known = journal.find((entry) => entry.action.id === action.id)?.action;
    return known?.index && action.index && !sameBuild(known, action)
      ? { ...action, id: otherId(action.id, action.sql) }
      : action;
  });
}

/** What can be applied of the findings, the dearest cause first within each kind. */
export function actionsFor(findings: readonly Finding[]): Action[] {
  const actions = new Map<string, Action>();
  for (const finding of findings) {
    const kind = kinds[finding.check];
    const { fix } = finding;
    if (!kind || !fix || fix.sql.length === 0) continue;
    // What is only worth knowing is no reason to build anything; a setting costs nothing.
    if (finding.severity === 'info' && kind !== 'settings') continue;
    const index = kind === 'index' ? indexTarget(fix.sql) : null;
    if (kind === 'index' && !index) continue;
    const id = index ? `index:${index.schema}.${index.name}` : `${kind}:${finding.id}`;
    const known = actions.get(id);
    if (known && (!index || sameBuild(known, { sql: fix.sql }))) {
      known.findings.push(finding.id);
      known.statements = [...new Set([...known.statements, ...finding.statements])];
      continue;
    }
    // Another definition of the same name is another index, and gets another name when it is built.
    const own = known ? otherId(id, fix.sql) : id;
    actions.set(own, {
      id: own,
      kind,
      title: fix.summary,
      findings: [finding.id],
      reason: `${finding.title}. Expected: ${fix.expectedEffect}.`,
      sql: fix.sql,
      undo: fix.undo,
      lock: fix.lock,
      risk: fix.risk,
      bytes: fix.bytes ?? null,
      predictedSpeedup: fix.predictedSpeedup ?? null,
      statements: [...finding.statements],
      index,
      temporary: kind === 'index',
    });
  }
  return [...actions.values()].sort((a, b) => actionKinds.indexOf(a.kind) - actionKinds.indexOf(b.kind));
}
