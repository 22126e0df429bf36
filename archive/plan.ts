import pg from 'pg';
import { type ArchiveOptions, chosen } from './archival.ts';
import { isFatal } from './failure.ts';
import { leftOut } from './leftOut.ts';
import type { ArchiveUnit } from './policy.ts';
import { placesOf, prepare } from './prepare.ts';
import type { Member } from './references.ts';
import type { LeftOut } from './result.ts';
import { openArchive } from './session.ts';

const id = pg.escapeIdentifier;

export interface UnitPlan {
  unit: ArchiveUnit;
  /** ISO date; what is older goes. */
  cutoff: string;
  total: number;
  eligible: number;
  held: number;
  oldest: string | null;
  /** Of the table and its children, indexes included, before. */
  bytes: number;
  /** Rows of the children that would go with the units. */
  childRows: number;
  /** Due and not held, but referred to by rows that stay. */
  left: LeftOut[];
  /** What is good to know: triggers on DELETE, tables that inherit. */
  notes: string[];
  /** What has to be there first. */
  problems: string[];
}

/** What the policy would move today. Reads only; what is in the way of a unit is said with it. */
export async function planArchive(
  options: Pick<ArchiveOptions, 'url' | 'policy' | 'only'>,
): Promise<UnitPlan[]> {
  const client = await openArchive(options.url, 'read');
  try {
    return await planUnits(chosen(options), async (unit, plan) => {
      for (const place of await placesOf(client, unit)) await planOne(client, place, plan);
    });
  } finally {
    await client.end();
  }
}

const noPlan = (unit: ArchiveUnit): UnitPlan => ({
  unit,
  cutoff: '',
  total: 0,
  eligible: 0,
  held: 0,
  oldest: null,
  bytes: 0,
  childRows: 0,
  left: [],
  notes: [],
  problems: [],
});

/** A plan of each unit; what is in the way of one is said with it, and does not keep the others. */
export async function planUnits(
  units: readonly ArchiveUnit[],
  plan: (unit: ArchiveUnit, into: UnitPlan) => Promise<void>,
): Promise<UnitPlan[]> {
  const plans = units.map(noPlan);
  for (const into of plans)
    try {
      await plan(into.unit, into);
    } catch (error) {
      if (isFatal(error)) throw error;
      into.problems.push((error as Error).message);
    }
  return plans;
}

async function planOne(client: pg.ClientBase, unit: ArchiveUnit, plan: UnitPlan): Promise<void> {
  const prepared = await prepare(client, unit);
  const { references, members, wanted, due, held, goes } = prepared;
  const add = (to: string[], more: readonly string[]) =>
    to.push(...more.filter((text) => !to.includes(text)));
  plan.cutoff = prepared.cutoff;
  add(plan.notes, prepared.notes);
  add(plan.problems, [...prepared.problems, ...prepared.hidden]);
  // Counts of what cannot be seen would be wrong.
  if (prepared.hidden.length > 0) return;
  const key = (members[0] as Member).unitOf('t');
  const moves =
    references.internal.length > 0
      ? `${goes} AND NOT EXISTS (SELECT FROM (${references.blocked(wanted)}) AS b WHERE b.key = ${key})`
      : goes;
  const from = `${members[0]?.from} AS t`;
  const { rows } = await client.query<{ total: number; held: number }>(
    `SELECT count(*)::int AS total, count(*) FILTER (WHERE ${due} AND ${held})::int AS held FROM ${from}`,
  );
  const { rows: moving } = await client.query<{ eligible: number; oldest: string | null }>(
    `SELECT count(*)::int AS eligible, min(t.${id(unit.age)})::text AS oldest FROM ${from} WHERE ${moves}`,
  );
  plan.total += rows[0]?.total ?? 0;
  plan.held += rows[0]?.held ?? 0;
  plan.eligible += moving[0]?.eligible ?? 0;
  const oldest = moving[0]?.oldest ?? null;
  if (oldest !== null && (plan.oldest === null || oldest < plan.oldest)) plan.oldest = oldest;
  for (const { from: child, unitOf } of members.slice(1)) {
    const { rows: counted } = await client.query(
      `SELECT count(*)::int AS n FROM ${child} AS c JOIN ${from} ON ${key} = ${unitOf('c')} WHERE ${moves}`,
    );
    plan.childRows += counted[0].n;
  }
  const { rows: sized } = await client.query(
    'SELECT coalesce(sum(pg_total_relation_size(x::oid)), 0)::bigint AS bytes FROM unnest($1::bigint[]) AS x',
    [members.flatMap(({ oids }) => oids)],
  );
  plan.bytes += Number(sized[0].bytes);
  for (const { reason, units } of await leftOut(client, prepared)) {
    const same = plan.left.find((each) => each.reason === reason);
    if (same) same.units += units;
    else plan.left.push({ reason, units });
  }
}
