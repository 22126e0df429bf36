import pg from 'pg';
import { describeTarget } from '../lib/pg/connect.ts';
import { OperationError } from '../lib/pg/errors.ts';
import { freeName, nameOf } from '../lib/pg/names.ts';
import { quote } from '../lib/pg/quote.ts';
import type { Action } from './action.ts';
import { buildStatements } from './carryOut.ts';
import { relationOf, signatureOf, twinOf, whyNoIndex } from './indexBuild.ts';
import { whyNotDropped } from './indexDrop.ts';
import { readIndexes } from './signature.ts';
import { type Effect, effectsOf, indexStatement } from './statement.ts';

type Answer = Pick<Action, 'blocked' | 'notes' | 'steps' | 'undo' | 'lock'>;

/** What the server says of a definition, as the reason why it cannot be done. */
const said = (error: unknown) => (error as Error).message;

async function indexAnswer(client: pg.Client, action: Action, build: string): Promise<Partial<Answer>> {
  const statement = indexStatement(build);
  if (!statement) return {};
  const relation = await relationOf(client, statement.table);
  const why = whyNoIndex(relation, statement.table.name);
  if (!relation || why) return { blocked: why ?? '' };
  const needed = action.sql.filter((sql) => effectsOf(sql)[0]?.on === 'extension');
  let signature: string;
  try {
    signature = await signatureOf(client, relation, statement, needed);
  } catch (error) {
    return { blocked: `Postgres does not build it: ${said(error)}` };
  }
  const indexes = await readIndexes(client, { relation: relation.oid });
  const twin = twinOf(indexes, signature, statement.unique);
  if (twin) return { blocked: `nothing to do: the index ${twin.name} of ${relation.table} does the same` };
  const name = statement.name ?? nameOf(relation.table, '_idx');
  const free = await freeName(client, relation.schema, name);
  const broken = indexes.find((index) => !index.valid && index.signature === signature);
  const notes = [
    ...(free === name ? [] : [`the name ${name} is taken; the index will be ${free}`]),
    ...(broken && relation.kind !== 'p'
      ? [`the INVALID index ${broken.name} of the same definition is not sqltrail's, and stays`]
      : []),
  ];
  if (relation.kind !== 'p') return notes.length > 0 ? { notes } : {};
  const { rows } = await client.query<{ leaves: number }>(
    'SELECT count(*)::int AS leaves FROM pg_catalog.pg_partition_tree($1::oid::regclass) WHERE isleaf AND relid <> $1::oid',
    [relation.oid],
  );
  const whole = quote(relation.schema, relation.table);
  return {
    steps: [
      ...needed,
      `CREATE INDEX CONCURRENTLY ON each of the ${rows[0]?.leaves ?? 0} partitions of ${whole}${statement.rest}`,
      `CREATE INDEX ${quote(free)} ON ONLY ${whole}${statement.rest}`,
      `ALTER INDEX ${quote(relation.schema, free)} ATTACH PARTITION each of them`,
    ],
    undo: [`DROP INDEX ${quote(relation.schema, free)}`],
    lock: 'SHARE UPDATE EXCLUSIVE on each partition while its index is built, reads and writes continue; SHARE on the partitioned table for a moment at the end',
    ...(notes.length > 0 ? { notes } : {}),
  };
}

async function settingAnswer(client: pg.Client, effect: Effect): Promise<string | undefined> {
  if (effect.on === 'dropped-index') return whyNotDropped(client, effect.index);
  if (effect.on === 'options' || effect.on === 'column') {
    const relation = await relationOf(client, effect.relation);
    if (!relation) return `the table ${effect.relation.name} is not there`;
    if (!relation.owned) return `only the owner of ${relation.table} can set this`;
    if (relation.kind === 'p' && effect.on === 'options')
      return `${relation.table} is partitioned: its partitions have storage options, it has none`;
  }
  if (effect.on === 'setting' && effect.database !== null && effect.role === null) {
    const { rows } = await client.query<{ owned: boolean }>(
      "SELECT pg_has_role(datdba, 'USAGE') AS owned FROM pg_database WHERE datname = $1",
      [effect.database],
    );
    if (!rows[0]) return `the database ${effect.database} is not there`;
    if (!rows[0].owned) return `only the owner of the database ${effect.database} can set this`;
  }
  if (effect.on === 'system') {
    const { rows } = await client.query<{ may: boolean }>(
      'SELECT rolsuper AS may FROM pg_roles WHERE rolname = current_user',
    );
    if (!rows[0]?.may) return 'only a superuser can set this for the server';
  }
  return undefined;
}

/** Storage options that the owner has set already, which undo gives back. */
async function undoAnswer(client: pg.Client, action: Action): Promise<string[] | undefined> {
  const own: string[] = [];
  for (const sql of action.sql)
    for (const effect of effectsOf(sql)) {
      if (effect.on !== 'options') continue;
      const { schema, name } = effect.relation;
      const { rows } = await client.query<{ options: string[] | null }>(
        'SELECT reloptions AS options FROM pg_class WHERE oid = to_regclass($1)',
        [schema === undefined ? quote(name) : quote(schema, name)],
      );
      for (const option of rows[0]?.options ?? []) {
        const at = option.indexOf('=');
        const [key, value] = [option.slice(0, at), option.slice(at + 1)];
        if (effect.names.includes(key))
          own.push(
            `ALTER TABLE ${schema === undefined ? quote(name) : quote(schema, name)} SET (${key} = ${value})`,
          );
      }
    }
  return own.length > 0 ? own : undefined;
}

/**
 * The actions, each checked against the database before anybody says yes: what cannot be done says why (`blocked`), what
 * will be done otherwise than it is worded says how. An index is tried on an empty copy of its table, in a transaction
 * that is rolled back.
 *
 * @param url the role that will apply them
 * @throws OperationError when the database cannot be reached
 */
export async function checkActions(options: {
  url: string;
  actions: readonly Action[];
  signal: AbortSignal;
}): Promise<Action[]> {
  const client = new pg.Client({
    connectionString: options.url,
    application_name: 'sqltrail-fix',
    connectionTimeoutMillis: 10_000,
  });
  client.on('error', () => {});
  try {
    await client.connect();
  } catch (error) {
    throw new OperationError(`${describeTarget(options.url)}: ${said(error)}`, { cause: error });
  }
  try {
    const checked: Action[] = [];
    for (const action of options.actions) {
      options.signal.throwIfAborted();
      if (action.kind === 'query' || action.kind === 'pool') {
        checked.push(action);
        continue;
      }
      checked.push({ ...action, ...(await answerFor(client, action)) });
    }
    return checked;
  } finally {
    await client.end().catch(() => {});
  }
}

async function answerFor(client: pg.Client, action: Action): Promise<Partial<Answer>> {
  const { rows } = await client.query<{ readOnly: boolean; replica: boolean }>(
    `SELECT current_setting('transaction_read_only') = 'on' AS "readOnly", pg_is_in_recovery() AS replica`,
  );
  if (rows[0]?.replica) return { blocked: 'this server is a replica: apply it on the primary' };
  if (rows[0]?.readOnly) return { blocked: 'this role may only read (default_transaction_read_only)' };
  let answer: Partial<Answer> = {};
  for (const build of buildStatements(action.sql)) {
    answer = { ...answer, ...(await indexAnswer(client, action, build)) };
    if (answer.blocked) return answer;
  }
  for (const sql of action.sql)
    for (const effect of effectsOf(sql)) {
      const blocked = await settingAnswer(client, effect);
      if (blocked) return { blocked };
    }
  const undo = await undoAnswer(client, action);
  return undo ? { ...answer, undo } : answer;
}
