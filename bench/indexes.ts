import { open, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { queryidsOf, type RankedFinding } from '../diagnosis/finding.ts';
import { fixSql } from '../diagnosis/fixSql.ts';
import { defaultDiagnosis, diagnose } from '../diagnosis/run.ts';
import { carryOut, revertChanges } from '../fix/carryOut.ts';
import type { Work } from '../fix/change.ts';
import { quote } from '../lib/pg/quote.ts';
import { mean, ratioOf } from '../lib/stats/interval.ts';
import { type ScaleName, scales } from '../sample-shop/data/scales.ts';
import { POSTGRES_LOG } from '../stack/postgres.ts';
import { startHarness } from './harness.ts';

/**
 * What the diagnosis predicts of each index that it suggests, against what the index does when it is built. A gentle
 * load on the legacy shop shows the statements and the values that they are called with (the server logs them). Then
 * the load ends, and the calls are done again, alone: without the index, with it and no other suggested one, after
 * which it is dropped. Times and blocks are those of pg_stat_statements; changes are rolled back.
 *
 * POSTGRES_BIN names the directory of `initdb` and `postgres` of another server; where that one has HypoPG, its
 * predictions stand beside those of the cost model.
 *
 * node bench/indexes.ts [scale] [seconds of load] [visits a second]
 */
const [scale = 'small', seconds = '60', rate = '1'] = process.argv.slice(2);
if (!(scale in scales) || !(Number(seconds) > 0) || !(Number(rate) > 0)) {
  process.stderr.write(
    `usage: node bench/indexes.ts [${Object.keys(scales).join('|')}] [seconds of load] [visits a second]\n`,
  );
  process.exit(2);
}
const DATABASE = 'indexed';
/** Calls of a statement that are done again in each round, spread over all that were seen. */
const CALLS = 5;
const ROUNDS = 5;
const signal = new AbortController().signal;
const say = (text: string) => process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);

interface Call {
  text: string;
  values: (string | null)[];
}

/** Calls by queryid, from the server's log with the prefix `%Q %d `; what goes on in another line has a tab before it. */
function callsOf(log: string): Map<string, Call[]> {
  const found = new Map<string, Call[]>();
  let last: Call | undefined;
  for (const lines of log.split(/\n(?!\t)/)) {
    const entry = lines.replaceAll('\n\t', '\n');
    const [, queryid, text] =
      /^(-?\d+) indexed LOG: {2}duration: [\d.]+ ms {2}(?:execute [^:]+|statement): ([\s\S]+)$/.exec(entry) ??
      [];
    const [, values] = /^-?\d+ indexed DETAIL: {2}parameters: ([\s\S]+)$/i.exec(entry) ?? [];
    if (values && last)
      last.values = [...values.matchAll(/\$\d+ = (?:(NULL)|'((?:[^']|'')*)')/g)].map(
        ([, none, value = '']) => (none ? null : value.replaceAll("''", "'")),
      );
    last = queryid && text ? { text, values: [] } : undefined;
    if (queryid && last) found.set(queryid, [...(found.get(queryid) ?? []), last]);
  }
  return found;
}

/** One round of a statement. */
interface Round {
  ms: number;
  blocks: number;
}

const binDir = process.env['POSTGRES_BIN'];
/** A cluster belongs to one major version. */
const dir = path.join(tmpdir(), ['sqltrail-indexes', scale, ...(binDir?.match(/\d+/) ?? [])].join('-'));
const logFile = path.join(dir, POSTGRES_LOG);
const harness = await startHarness({
  dir,
  scale: scale as ScaleName,
  rate: Number(rate),
  binDir,
  settings: { log_line_prefix: '%Q %d ' },
  // The report is asked for as often as anything else: each statement is to be seen in a minute.
  load: { LOAD_MIX: 'buy=2,search=1,browse=1,history=1,rebuy=1,report=1' },
});
const connect = async (url: string) => {
  const client = new pg.Client(url);
  await client.connect();
  return client;
};

/** The calls that the load made, and what the diagnosis suggests for them. */
async function observed() {
  await harness.copy(DATABASE);
  const admin = await connect(harness.adminUrl.replace(/postgres$/, DATABASE));
  await admin.query(`ALTER DATABASE ${DATABASE} SET log_min_duration_statement = 0`);
  await admin.query('SELECT pg_stat_statements_reset()');
  const { size } = await stat(logFile);
  const running = await harness.open(DATABASE, 'legacy');
  await sleep(Number(seconds) * 1000);
  await running.stop();
  await admin.query(`ALTER DATABASE ${DATABASE} RESET log_min_duration_statement`);
  const log = await open(logFile);
  const buffer = Buffer.alloc((await log.stat()).size - size);
  await log.read(buffer, 0, buffer.length, size);
  await log.close();
  const look = () =>
    diagnose({
      ...defaultDiagnosis,
      url: harness.url('monitor', DATABASE),
      // The load is over: it is judged by all since the statistics began, and nobody is there to be spared.
      observeMs: 0,
      dutyCycle: 1,
      only: ['missing-index', 'leading-wildcard'],
      signal,
    });
  const { findings } = await look();
  const hypopg =
    (await admin.query("SELECT FROM pg_available_extensions WHERE name = 'hypopg'")).rowCount === 1;
  if (hypopg) await admin.query('CREATE EXTENSION IF NOT EXISTS hypopg');
  const asked = hypopg ? (await look()).findings : undefined;
  return { admin, calls: callsOf(buffer.toString()), findings, asked };
}

/** Calls spread evenly over those that were seen. */
const some = (calls: readonly Call[]) =>
  calls.length <= CALLS
    ? calls
    : Array.from({ length: CALLS }, (_, at) => calls[Math.floor((at * calls.length) / CALLS)] as Call);

/** The calls of one statement, done again `ROUNDS` times after one that warms the cache. */
async function replay(
  app: pg.Client,
  admin: pg.Client,
  queryid: string,
  calls: readonly Call[],
): Promise<Round[]> {
  const counters = async () => {
    const { rows } = await admin.query<{ calls: number; ms: number; blocks: number }>(
      `SELECT coalesce(sum(calls), 0)::float8 AS calls, coalesce(sum(total_exec_time), 0)::float8 AS ms,
              coalesce(sum(shared_blks_hit + shared_blks_read), 0)::float8 AS blocks
         FROM pg_stat_statements WHERE queryid = $1`,
      [queryid],
    );
    return rows[0] ?? { calls: 0, ms: 0, blocks: 0 };
  };
  const rounds: Round[] = [];
  for (let round = 0; round <= ROUNDS; round += 1) {
    const before = await counters();
    await app.query('BEGIN');
    for (const { text, values } of some(calls)) await app.query(text, values);
    await app.query('ROLLBACK');
    const after = await counters();
    const done = after.calls - before.calls;
    if (done !== some(calls).length)
      throw new Error(`${queryid}: ${done} calls counted of ${some(calls).length}`);
    if (round > 0)
      rounds.push({ ms: (after.ms - before.ms) / done, blocks: (after.blocks - before.blocks) / done });
  }
  return rounds;
}

/** One figure a round for several statements: their times added, each as often as the load called it. */
function together(rounds: ReadonlyMap<string, Round[]>, calls: ReadonlyMap<string, Call[]>) {
  const count = (queryid: string) => calls.get(queryid)?.length ?? 0;
  const all = [...rounds.keys()].reduce((sum, queryid) => sum + count(queryid), 0);
  return Array.from({ length: ROUNDS }, (_, at) => {
    const sum = (figure: keyof Round) =>
      [...rounds].reduce((total, [queryid, of]) => total + (of[at]?.[figure] ?? 0) * count(queryid), 0) / all;
    return { ms: sum('ms'), blocks: sum('blocks') };
  });
}

/** Ranks from 1; equal values share the mean of theirs. */
const ranks = (values: readonly number[]) =>
  values.map((value) => {
    const less = values.filter((other) => other < value).length;
    return less + (values.filter((other) => other === value).length + 1) / 2;
  });

/** Rank correlation (Spearman 1904): Pearson's of the ranks. */
function spearman(a: readonly number[], b: readonly number[]): number {
  const [ra, rb] = [ranks(a), ranks(b)];
  const [ma, mb] = [mean(ra), mean(rb)];
  const product = (x: readonly number[], mx: number, y: readonly number[], my: number) =>
    x.reduce((sum, value, at) => sum + (value - mx) * ((y[at] ?? my) - my), 0);
  return product(ra, ma, rb, mb) / Math.sqrt(product(ra, ma, ra, ma) * product(rb, mb, rb, mb));
}

const times = (value: number | undefined) =>
  value === undefined ? '–' : value.toLocaleString('en', { maximumSignificantDigits: 2 });

interface Row {
  title: string;
  statements: number;
  model: number | undefined;
  asked: number | undefined;
  measured: { mean: number; low: number; high: number };
  ms: [number, number];
  blocks: [number, number];
}

const sameOrder = (predicted: number | undefined, measured: number) =>
  predicted !== undefined && Math.abs(Math.log10(predicted / measured)) < 1;

try {
  const { admin, calls, findings, asked } = await observed();
  say(
    `${calls.size} statements seen, ${findings.length} indexes suggested${asked ? ', asked of HypoPG too' : ''}`,
  );
  const owner = await connect(harness.url('owner', DATABASE));
  const app = await connect(harness.url('app', DATABASE));
  const bare = new Map<string, Round[]>();
  const measure = async (queryids: readonly string[], known = new Map<string, Round[]>()) => {
    for (const queryid of queryids)
      if (!known.has(queryid))
        known.set(queryid, await replay(app, admin, queryid, calls.get(queryid) ?? []));
    return new Map(queryids.map((queryid) => [queryid, known.get(queryid) ?? []]));
  };
  const build = async ({ fix }: RankedFinding) => {
    // Extensions are a superuser's.
    const extension = fix?.kind === 'index' ? fix.create?.extension : undefined;
    if (extension) await admin.query(`CREATE EXTENSION IF NOT EXISTS ${quote(extension)}`);
    const work: Work = { client: owner, changes: [], save: async () => {}, signal };
    await carryOut(
      work,
      { sql: fix ? fixSql(fix).sql : [], bytes: fix?.bytes ?? null },
      { comment: 'bench', connect: () => connect(harness.url('owner', DATABASE)) },
    );
    return work;
  };
  const rows: Row[] = [];
  for (const finding of findings) {
    const statements = queryidsOf(finding).filter((queryid) => calls.has(queryid));
    if (!finding.fix || statements.length === 0) {
      say(`${finding.id}: none of its statements came to its end under the load`);
      continue;
    }
    const before = together(await measure(statements, bare), calls);
    const built = await build(finding);
    const after = together(await measure(statements), calls);
    await revertChanges(built, fixSql(finding.fix), []);
    const ratio = ratioOf(
      before.map(({ ms }) => ms),
      after.map(({ ms }) => ms),
    );
    if (!ratio) continue;
    rows.push({
      title: finding.fix.summary,
      statements: statements.length,
      model: finding.fix.predictedSpeedup,
      asked: asked?.find(({ id }) => id === finding.id)?.fix?.predictedSpeedup,
      measured: ratio,
      ms: [mean(before.map(({ ms }) => ms)), mean(after.map(({ ms }) => ms))],
      blocks: [mean(before.map(({ blocks }) => blocks)), mean(after.map(({ blocks }) => blocks))],
    });
    say(
      `${finding.fix.summary}: predicted ${times(finding.fix.predictedSpeedup)}, measured ${times(ratio.mean)}`,
    );
  }
  await Promise.all([admin.end(), owner.end(), app.end()]);
  const print = (columns: (string | number)[]) => process.stdout.write(`| ${columns.join(' | ')} |\n`);
  const head = [
    'index',
    'statements',
    'predicted, ×',
    ...(asked ? ['by HypoPG, ×'] : []),
    'measured, × (95 %)',
    'same order',
    'ms a call',
    'blocks a call',
  ];
  print(head);
  print(head.map(() => '---'));
  const range = ([from, to]: [number, number]) => `${times(from)} → ${times(to)}`;
  for (const { title, statements, model, asked: hypothetical, measured, ms, blocks } of rows)
    print([
      title,
      statements,
      times(model),
      ...(asked ? [times(hypothetical)] : []),
      `${times(measured.mean)} (${times(measured.low)}–${times(measured.high)})`,
      model === undefined ? '–' : sameOrder(model, measured.mean) ? 'yes' : 'no',
      range(ms),
      range(blocks),
    ]);
  const correlation = (of: 'model' | 'asked') => {
    const known = rows.filter((row) => row[of] !== undefined);
    return `${spearman(
      known.map((row) => row[of] ?? 0),
      known.map(({ measured }) => measured.mean),
    ).toFixed(
      2,
    )}, ${known.filter((row) => sameOrder(row[of], row.measured.mean)).length} of ${known.length} in the same order`;
  };
  process.stdout.write(
    `\nRank correlation (Spearman) of the cost model with what was measured: ${correlation('model')}.\n`,
  );
  if (asked) process.stdout.write(`Of HypoPG: ${correlation('asked')}.\n`);
} finally {
  await harness.stop();
}
