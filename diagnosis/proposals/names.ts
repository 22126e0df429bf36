import { createHash } from 'node:crypto';
import type { CheckContext } from '../check.ts';

/** NAMEDATALEN - 1; Postgres cuts a longer name, and two of them may then be one. */
const MAX_NAME = 63;

/** As much of a name as fits with the suffix, cut between characters. */
export function fitName(name: string, suffix = ''): string {
  const characters = [...name];
  while (Buffer.byteLength(`${characters.join('')}${suffix}`) > MAX_NAME) characters.pop();
  return `${characters.join('')}${suffix}`;
}

const given = new WeakMap<CheckContext, Map<string, string>>();

/**
 * A name that nothing in the schema has and that this diagnosis gave to no other definition: the plain one, otherwise
 * one with a hash of the definition, so that the same definition has the same name in each run.
 *
 * @param kind what shares names: tables, indexes, views and sequences, or the constraints of one table
 * @param definition all that makes the object what it is
 */
export async function freeName(
  context: CheckContext,
  {
    schema,
    name,
    suffix = '',
    definition,
    plain = true,
    constraintOf,
  }: {
    schema: string;
    name: string;
    suffix?: string;
    definition: string;
    /** Without it the name has the hash in any case: others could have the plain one with another definition. */
    plain?: boolean;
    constraintOf?: number;
  },
): Promise<string> {
  const names = given.get(context) ?? new Map<string, string>();
  given.set(context, names);
  const hash = createHash('sha256').update(definition).digest('hex');
  const candidates = [
    ...(plain && fitName(name, suffix) === `${name}${suffix}` ? [`${name}${suffix}`] : []),
    ...[6, 12, 20].map((digits) => fitName(name, `_${hash.slice(0, digits)}${suffix}`)),
  ];
  const taken = await context.session.query<{ name: string }>(
    constraintOf === undefined
      ? `SELECT relname::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND relname = ANY ($2)
          UNION ALL SELECT typname::text FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname = $1 AND typname = ANY ($2)`
      : 'SELECT conname::text AS name FROM pg_constraint WHERE conrelid = $1::oid AND conname = ANY ($2)',
    [constraintOf ?? schema, candidates],
  );
  const place = (candidate: string) => `${constraintOf ?? schema}.${candidate}`;
  const chosen = candidates.find(
    (candidate) =>
      !taken.some((other) => other.name === candidate) &&
      [undefined, definition].includes(names.get(place(candidate))),
  );
  if (chosen === undefined) throw new Error(`no name is free for ${name}${suffix} in ${schema}`);
  names.set(place(chosen), definition);
  return chosen;
}
