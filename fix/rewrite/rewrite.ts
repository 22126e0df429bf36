import { readCapabilities, readStatements } from '../../diagnosis/catalogue.ts';
import type { Session } from '../../diagnosis/readSession.ts';
import { openSession } from '../../diagnosis/session.ts';
import { loadParser } from '../../diagnosis/sql/shape.ts';
import { castConditions, withoutCasts } from './casts.ts';
import { Comparer, type Comparison } from './compare.ts';
import { type Condition, type Refusal, Refused, refuse } from './conditions.ts';
import { readFacts, relationsNamed, userDefined } from './facts.ts';
import { keysetOf } from './keyset.ts';
import { type Reading, read, readRelation } from './statement.ts';
import { expressionText, faithfulText, type Node } from './tree.ts';

/** A statement and another one that gives the same, with all that this rests on. */
export interface Rewrite {
  original: string;
  kind: 'keyset paging' | 'comparison without cast';
  rewritten: string;
  /** Keyset paging: the statement for the page that no row comes before. */
  firstPage: string | null;
  /** Keyset paging: parameters of `rewritten` that take values of the row before the page. */
  keys: { parameter: number; column: string }[];
  /** Equality follows from the form of the statement and these. */
  conditions: Condition[];
  /** The second net: both were run on the real data, and gave the same. */
  comparison: Comparison;
}

export interface NoRewrite {
  original: string;
  refusal: Refusal;
}

export type RewriteAnswer = Rewrite | NoRewrite;

export const isRewrite = (answer: RewriteAnswer): answer is Rewrite => 'rewritten' in answer;

export interface RewriteContext {
  session: Session;
  /** server_version_num */
  version: number;
  /** Schemas in which the application looks for its tables, in order; empty where it is not known. */
  searchPath: readonly string[];
  /** What users made that may give a name of the server another meaning; nothing is rewritten beside it. */
  userDefined: readonly string[];
}

export async function rewriteContext(
  session: Session,
  version: number,
  searchPath: readonly string[],
): Promise<RewriteContext> {
  return { session, version, searchPath, userDefined: await userDefined(session) };
}

/** @throws Refused */
async function readStatement(
  sql: string,
  { session, searchPath, userDefined: names }: RewriteContext,
): Promise<{ reading: Reading; conditions: Condition[] }> {
  const { select, relation } = readRelation(sql);
  const name = String(relation['relname']);
  const schema = relation['schemaname'] as string | undefined;
  const named = (await relationsNamed(session, name)).filter((each) => !schema || each.schema === schema);
  const schemas = named.map((each) => each.schema);
  if (named.length === 0) refuse({ kind: 'no such table', table: name });
  const path = ['pg_catalog', ...searchPath];
  const inPath = searchPath.length > 0 ? path.find((each) => schemas.includes(each)) : undefined;
  if (named.length > 1 && !inPath) refuse({ kind: 'ambiguous table', table: name, schemas });
  const found = named.length > 1 ? named.find((each) => each.schema === inPath) : named[0];
  const facts = found ? await readFacts(session, found.oid) : undefined;
  if (!facts) refuse({ kind: 'no such table', table: name });
  if (names.length > 0) refuse({ kind: 'user-defined', names: [...names] });
  const reading = read(select, relation, facts);
  const others = reading.arms.filter((arm) => !arm.cast).map(({ node }) => expressionText(node));
  return {
    reading,
    conditions: [
      {
        kind: 'table',
        schema: facts.schema,
        table: facts.name,
        by: schema ? 'qualified' : named.length > 1 ? 'search path' : 'unique',
      },
      { kind: 'plain table', table: facts.name },
      { kind: 'columns only' },
      { kind: 'built-in', names: ['operators', 'casts', 'count', 'types'] },
      ...(others.length > 0 ? [{ kind: 'no error' as const, where: others }] : []),
    ],
  };
}

/** @throws Refused where the tree has no text that says the same */
function textFor(select: Node): string {
  return faithfulText(select) ?? refuse({ kind: 'no text' });
}

/**
 * What can be done about one statement: rewrites whose equality follows from its form and from conditions that were
 * checked, each planned and run beside the original; or why there is none.
 *
 * @throws the server's error where its catalogue could not be read
 */
export async function rewriteStatement(sql: string, context: RewriteContext): Promise<RewriteAnswer[]> {
  const { session, version } = context;
  const answers: RewriteAnswer[] = [];
  const attempt = async (make: () => Promise<Omit<Rewrite, 'original'> | undefined>) => {
    try {
      const made = await make();
      if (made) answers.push({ original: sql, ...made });
    } catch (error) {
      const refusal = error instanceof Refused ? error.refusal : refusalOf(error, session);
      if (!answers.some((each) => !isRewrite(each) && each.refusal.kind === refusal.kind))
        answers.push({ original: sql, refusal });
    }
  };
  let known: { reading: Reading; conditions: Condition[]; comparer: Comparer } | undefined;
  await attempt(async () => {
    const { reading, conditions } = await readStatement(sql, context);
    const casts = await castConditions(reading, session);
    const comparer = new Comparer(session, reading);
    const types = await comparer.parameterTypes();
    known = { reading, conditions: [...conditions, ...casts, ...types], comparer };
    return undefined;
  });
  if (!known) return answers;
  const { reading, conditions, comparer } = known;
  await attempt(async () => {
    const uncast = withoutCasts(reading);
    if (!uncast) return undefined;
    const rewritten = textFor(uncast.select);
    await comparer.planned(uncast.select, version);
    const ordered = uncast.conditions.some(({ kind }) => kind === 'unique key');
    return {
      kind: 'comparison without cast',
      rewritten,
      firstPage: null,
      keys: [],
      conditions: [...conditions, ...uncast.conditions],
      comparison: await comparer.casts(uncast.select, ordered),
    };
  });
  await attempt(async () => {
    const keyset = await keysetOf(reading, session);
    if (!keyset) return undefined;
    const [rewritten, firstPage] = [textFor(keyset.select), textFor(keyset.firstPage)];
    await comparer.planned(keyset.select, version);
    return {
      kind: 'keyset paging',
      rewritten,
      firstPage,
      keys: keyset.keys.map(({ parameter, column }) => ({ parameter, column })),
      conditions: [...conditions, ...keyset.conditions],
      comparison: await comparer.keyset(keyset),
    };
  });
  return answers.length > 0 ? answers : [{ original: sql, refusal: { kind: 'nothing to rewrite' } }];
}

function refusalOf(error: unknown, session: Session & { lost?: boolean }): Refusal {
  if (session.lost || !(error as { code?: string }).code) throw error;
  return { kind: 'not compared', message: (error as Error).message };
}

/** The most expensive statements that could be rewritten. */
const MAX_STATEMENTS = 40;

/**
 * Statements of pg_stat_statements that can be replaced by faster ones without knowing the application. Equality
 * follows from the form of a statement and from conditions that are checked and listed; as a second net, both are run
 * on the real data, in read-only transactions. What cannot be decided from the SQL alone (the columns that are needed,
 * statements in a loop, whether a count has to be exact) is not rewritten.
 *
 * @throws ConnectionFailed; BudgetExceeded after a minute of database time
 */
export async function findRewrites(options: {
  url: string;
  /** Schemas in which the application looks for its tables, in order; empty where it is not known. */
  searchPath: readonly string[];
  signal: AbortSignal;
}): Promise<RewriteAnswer[]> {
  const session = await openSession({
    ...options,
    statementTimeoutMs: 15_000,
    lockTimeoutMs: 500,
    budgetMs: 60_000,
    dutyCycle: 0.5,
  });
  await loadParser();
  try {
    const capabilities = await readCapabilities(session);
    const { statements } = await readStatements(session, capabilities);
    const candidates = statements.filter(
      ({ text }) => /^\s*select\b/i.test(text) && /\boffset\b|::|\bcast\b/i.test(text),
    );
    const context = await rewriteContext(session, capabilities.version, options.searchPath);
    const answers: RewriteAnswer[] = [];
    for (const { text } of candidates.slice(0, MAX_STATEMENTS))
      answers.push(...(await rewriteStatement(text, context)));
    return answers;
  } finally {
    await session.close();
  }
}
