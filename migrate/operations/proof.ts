import { quote as id } from '../../lib/pg/quote.ts';
import type { ReadOnlyClient } from '../../lib/pg/transaction.ts';
import type { Conversion } from './conversion.ts';
import { PASS_ON } from './sync.ts';

/** Values of one form, as `99.99.9999` for 31.12.2026: how they look, and nothing of what they say. */
export interface Forms {
  values: number;
  forms: Record<string, number>;
}

export interface Proof {
  /** Values that are not null. */
  values: number;
  unconvertible: Forms;
  /** Another value after the way back. */
  changed: Forms;
}

export interface Proving {
  /** Quoted, with schema. */
  table: string;
  column: string;
  from: string;
  to: string;
  notNull: boolean;
}

const MAX_FORMS = 8;
const SAMPLED_BLOCKS = 200;

const noted = (counter: string) => `${counter} := ${counter} + 1;
        form := regexp_replace(regexp_replace(left(r.v::text, 40), '[[:alpha:]]', 'a', 'g'), '[[:digit:]]', '9', 'g');
        IF ${counter}_forms ? form OR (SELECT count(*) FROM jsonb_object_keys(${counter}_forms)) < ${MAX_FORMS} THEN
          ${counter}_forms := ${counter}_forms || jsonb_build_object(form, coalesce((${counter}_forms ->> form)::bigint, 0) + 1);
        END IF;`;

const valuesOf = ({ table, column, from }: Pick<Proving, 'table' | 'column' | 'from'>, sample = '') =>
  `SELECT ${id(column)}::${from} AS v FROM ONLY ${table}${sample} WHERE ${id(column)} IS NOT NULL`;

/** A block, because only PL/pgSQL goes on after a value that fails; it may run in a transaction that only reads. */
function proofSql(
  { table, column, from, to, notNull }: Proving,
  { there, back }: Conversion,
  sample: string,
): string {
  const rows = valuesOf({ table, column, from }, sample);
  return `DO $sqltrail$
#variable_conflict use_column
DECLARE
  r               record;
  made            ${to};
  form            text;
  counted         bigint := 0;
  bad             bigint := 0;
  bad_forms       jsonb := '{}';
  changed         bigint := 0;
  changed_forms   jsonb := '{}';
BEGIN
  BEGIN
    SELECT count(*), count(*) FILTER (WHERE (${back('x.made')})::text IS DISTINCT FROM x.v::text) INTO counted, changed
      FROM (SELECT s.v, ${there('s.v')} AS made FROM (${rows}) AS s) AS x;
  EXCEPTION WHEN OTHERS THEN
    ${PASS_ON}
    changed := -1;
  END;
  IF changed <> 0 THEN
    counted := 0;
    changed := 0;
    FOR r IN ${rows} LOOP
      counted := counted + 1;
      BEGIN
        made := ${there('r.v')};
        ${notNull ? `IF made IS NULL THEN RAISE not_null_violation; END IF;` : ''}
        IF (${back('made')})::text IS DISTINCT FROM r.v::text THEN
        ${noted('changed')}
        END IF;
      EXCEPTION WHEN OTHERS THEN
        ${PASS_ON}
        ${noted('bad')}
      END;
    END LOOP;
  END IF;
  PERFORM set_config('sqltrail.proof', jsonb_build_object('values', counted,
    'unconvertible', jsonb_build_object('values', bad, 'forms', bad_forms),
    'changed', jsonb_build_object('values', changed, 'forms', changed_forms))::text, true);
END $sqltrail$`;
}

async function run(client: ReadOnlyClient, sql: string): Promise<Proof> {
  const { rows } = await client.transaction<{ proof: Proof }>(
    sql,
    "SELECT current_setting('sqltrail.proof')::jsonb AS proof",
  );
  return rows[0]?.proof as Proof;
}

/**
 * Converts every value there and back, in the database; reads only.
 *
 * @param conversions of which the one that fits a sample best is proven with all rows
 * @throws the server's error where it does not know how to convert
 */
export async function prove(
  client: ReadOnlyClient,
  proving: Proving,
  conversions: readonly Conversion[],
  heapBytes: number,
): Promise<{ conversion: Conversion; proof: Proof }> {
  const percent = Math.min(100, (100 * SAMPLED_BLOCKS * 8192) / Math.max(1, heapBytes));
  let best = conversions[0] as Conversion;
  if (conversions.length > 1) {
    let least = Number.POSITIVE_INFINITY;
    for (const conversion of conversions) {
      const { unconvertible, changed } = await run(
        client,
        proofSql(proving, conversion, ` TABLESAMPLE SYSTEM (${percent}) REPEATABLE (1)`),
      );
      // One that cannot be converted weighs more than any that is another one on the way back.
      const wrong = unconvertible.values * 1e6 + changed.values;
      if (wrong < least) [best, least] = [conversion, wrong];
      if (wrong === 0) break;
    }
  }
  // SQL that Postgres cannot even read is no fault of the values.
  await client.query(
    `SELECT ${best.back('x.made')} FROM (SELECT ${best.there('s.v')} AS made FROM (${valuesOf(proving)}) AS s) AS x LIMIT 0`,
  );
  return { conversion: best, proof: await run(client, proofSql(proving, best, '')) };
}

/** `12 values of the forms a/a (10), 9,99 (2)` */
export const formsText = ({ values, forms }: Forms): string => {
  const listed = Object.entries(forms)
    .sort(([, a], [, b]) => b - a)
    .slice(0, 5)
    .map(([form, count]) => `“${form}” (${count})`);
  return `${values} ${values === 1 ? 'value' : 'values'}${listed.length > 0 ? `, of the form ${listed.join(', ')}` : ''}`;
};
