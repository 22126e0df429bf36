import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { PlanNode } from '../diagnosis/plans.ts';
import type { Statement } from '../diagnosis/relations.ts';
import type { WorkloadEntry } from '../diagnosis/workloadEntry.ts';

const planSeen = z.object({
  /** Hash of its shape. */
  shape: z.string(),
  /** How it reads each table, for people. */
  scans: z.array(z.string()),
  lastSeenAt: z.string(),
  /** Mean time of a call between two runs that both saw this plan, milliseconds; the newest last. */
  meansMs: z.array(z.number()),
});

const plannedStatement = z.object({
  /** libpg_query's; the queryid of a statement that cannot be parsed. */
  fingerprint: z.string(),
  /** `db.query.summary`. */
  summary: z.string(),
  queryid: z.string(),
  /** As pg_stat_statements had counted them at the last run. */
  calls: z.number(),
  totalMs: z.number(),
  /** The plan of now is the last one. */
  plans: z.array(planSeen).min(1),
});

export const planHistorySchema = z.array(plannedStatement);
export type PlanHistory = z.infer<typeof planHistorySchema>;
type PlanSeen = z.infer<typeof planSeen>;

export interface PlanSlowdown {
  fingerprint: string;
  summary: string;
  /** Mean time of a call under the plan of now over that under the fastest plan before. */
  ratio: number;
  meanMs: number;
  formerMs: number;
  scans: string[];
  formerScans: string[];
}

const MAX_STATEMENTS = 200;
const MAX_PLANS = 4;
const MAX_MEANS = 24;
/** Fewer calls between two runs say little of a mean. */
const MIN_CALLS = 20;
/** Means of a former plan before anything is held against it. */
const MIN_FORMER = 3;
/** Means of the plan of now that are looked at. */
const RECENT = 3;
/** A plan that was not seen for so long says nothing of the data of today. */
const KEPT_MS = 14 * 86_400_000;

/** Partitions come and go: how they are read counts, and not which or how many there are. */
const isAppend = (node: PlanNode) => /^(Merge )?Append$/.test(node['Node Type']);

function shapeOf(node: PlanNode, named = true): string {
  const inner = (node.Plans ?? []).map((child) => shapeOf(child, named && !isAppend(node)));
  const below = isAppend(node) ? [...new Set(inner)].sort() : inner;
  const about = named
    ? [node.Schema, node['Relation Name'], node['Index Name']].map((text) => text ?? '').join('\0')
    : '';
  return `${node['Node Type']}\0${about}(${below.join(',')})`;
}

/** Equal for plans that do the same on the same tables and indexes, whatever they are expected to cost. */
export const planShape = (plan: PlanNode): string =>
  createHash('sha256').update(shapeOf(plan)).digest('hex').slice(0, 16);

const MAX_SCANS = 8;

function scansIn(plan: PlanNode): string[] {
  const found = new Set<string>();
  const walk = (node: PlanNode) => {
    const { 'Relation Name': relation, 'Index Name': index, Schema: schema } = node;
    if (relation || index)
      found.add(
        [
          node['Node Type'],
          index && `using ${index}`,
          relation && `on ${schema ? `${schema}.` : ''}${relation}`,
        ]
          .filter(Boolean)
          .join(' '),
      );
    node.Plans?.forEach(walk);
  };
  walk(plan);
  return [...found].slice(0, MAX_SCANS);
}

const median = (values: readonly number[]) => {
  const sorted = [...values].sort((a, b) => a - b);
  const at = sorted.length >> 1;
  return sorted.length % 2 ? (sorted[at] ?? 0) : ((sorted[at - 1] ?? 0) + (sorted[at] ?? 0)) / 2;
};

/** Mean time of a call since the run before; undefined where it is not known or rests on few calls. */
function meanSince(before: PlanHistory[number], now: Statement): number | undefined {
  const calls = now.calls - before.calls;
  const totalMs = now.totalMs - before.totalMs;
  // Counters that went down began anew.
  return before.queryid === now.queryid && calls >= MIN_CALLS && totalMs >= 0 ? totalMs / calls : undefined;
}

function withPlan(
  plans: readonly PlanSeen[],
  seen: Omit<PlanSeen, 'meansMs'>,
  meanMs: number | undefined,
): PlanSeen[] {
  const same = plans.at(-1)?.shape === seen.shape;
  const known = plans.find(({ shape }) => shape === seen.shape);
  // The time between two runs that saw different plans belongs to neither.
  const means = [...(known?.meansMs ?? []), ...(same && meanMs !== undefined ? [meanMs] : [])];
  return [
    ...plans.filter(({ shape }) => shape !== seen.shape),
    { ...seen, meansMs: means.slice(-MAX_MEANS) },
  ].slice(-MAX_PLANS);
}

/**
 * The history with what one run saw.
 *
 * @param counted pg_stat_statements as the run found it
 */
export function recordPlans(
  history: PlanHistory,
  entries: readonly WorkloadEntry[],
  counted: readonly Statement[],
  at: string,
): PlanHistory {
  const before = new Map(history.map((statement) => [statement.fingerprint, statement]));
  const counters = new Map(counted.map((statement) => [statement.queryid, statement]));
  const now = new Map<string, PlanHistory[number]>();
  for (const { statement, summary, fingerprint = statement.queryid, plan } of entries) {
    const counter = counters.get(statement.queryid);
    // The most expensive of those that differ in constants alone comes first, and stands for them.
    if (!plan || !counter || now.has(fingerprint)) continue;
    const known = before.get(fingerprint);
    const seen = { shape: planShape(plan), scans: scansIn(plan), lastSeenAt: at };
    const { queryid, calls, totalMs } = counter;
    now.set(fingerprint, {
      fingerprint,
      summary,
      queryid,
      calls,
      totalMs,
      plans: withPlan(known?.plans ?? [], seen, known && meanSince(known, counter)),
    });
  }
  const lastSeen = ({ plans }: PlanHistory[number]) => Date.parse(plans.at(-1)?.lastSeenAt ?? '');
  const kept = history
    .filter((statement) => !now.has(statement.fingerprint))
    .filter((statement) => Date.parse(at) - lastSeen(statement) < KEPT_MS)
    .sort((a, b) => lastSeen(b) - lastSeen(a));
  return [...now.values(), ...kept].slice(0, MAX_STATEMENTS);
}

/** Statements whose plan has changed, by how much slower they are since; those that are faster have less than 1. */
export function slowdowns(history: PlanHistory, at: string): PlanSlowdown[] {
  return history
    .flatMap(({ fingerprint, summary, plans }): PlanSlowdown[] => {
      const current = plans.at(-1);
      const recent = current?.meansMs.slice(-RECENT) ?? [];
      const former = plans
        .slice(0, -1)
        .filter(
          ({ meansMs, lastSeenAt }) =>
            meansMs.length >= MIN_FORMER && Date.parse(at) - Date.parse(lastSeenAt) < KEPT_MS,
        )
        .map((plan) => ({ ...plan, meanMs: median(plan.meansMs) }))
        .sort((a, b) => a.meanMs - b.meanMs)[0];
      if (!current || !former || recent.length === 0 || former.meanMs <= 0) return [];
      const meanMs = median(recent);
      return [
        {
          fingerprint,
          summary,
          ratio: meanMs / former.meanMs,
          meanMs,
          formerMs: former.meanMs,
          scans: current.scans,
          formerScans: former.scans,
        },
      ];
    })
    .sort((a, b) => b.ratio - a.ratio);
}
