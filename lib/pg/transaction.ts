import pg from 'pg';

/** Settings of Postgres by name, as SET takes them. */
export type Settings = Readonly<Record<string, string>>;

export interface ReadOnlyTransaction {
  /** They hold for this transaction only. */
  settings: Settings;
  /** The last one's result is returned. */
  statements: readonly [...(string | pg.QueryConfig)[], string | pg.QueryConfig];
  /** Run on the same connection once the transaction is over, however it ended; its own failure counts for nothing. */
  cleanUp?: string | undefined;
  /** A comment that marks the statements as ours. */
  tag?: string;
  /**
   * The session itself is read-only, as one that is ours alone can be: nothing then has to wait until the transaction
   * is known to have begun.
   */
  readOnlySession?: boolean;
}

/**
 * Runs statements in a read-only transaction of their own that leaves nothing on the connection, which a pooler gives to
 * somebody else next. Nor does it when this process dies in between: a pooler closes, or rolls back, a connection whose
 * client left it within a transaction (PgBouncer: "client disconnect while server was not ready"). Therefore what does
 * not end with the transaction may be cleaned up by its last message, and by none after that.
 *
 * It takes two round trips, because the statements are sent only once the transaction is known to be read-only, and one
 * where the session is so anyway: on a busy server each of them waits for the processor. The savepoint undoes a SET in a statement as ROLLBACK would, and yet the transaction does not count among those of the
 * database that were rolled back, which people watch. What surrounds the statements has no tag, because
 * pg_stat_statements would count the application's own BEGIN and COMMIT under it.
 *
 * @param client made with `pipeline: true`
 * @throws the server's error of the first statement that failed
 */
export async function readOnlyTransaction<Row extends pg.QueryResultRow>(
  client: Pick<pg.Client, 'query'>,
  transaction: ReadOnlyTransaction,
): Promise<pg.QueryResult<Row>> {
  const results = await inTurn(client, () => run<Row>(client, transaction));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
  return (results.at(-1) as PromiseFulfilledResult<pg.QueryResult<Row>>).value;
}

/**
 * The same for statements that have nothing to do with each other: what one changes, or fails at, the next one does not
 * see. Only for a session that is read-only itself and not behind a pooler: a statement that ends the transaction would
 * leave the next ones without.
 *
 * @returns what came of each, in order
 * @throws the server's error where the transaction did not begin
 */
export const readOnlyEach = <Row extends pg.QueryResultRow>(
  client: Pick<pg.Client, 'query'>,
  transaction: Omit<ReadOnlyTransaction, 'cleanUp' | 'readOnlySession'>,
): Promise<PromiseSettledResult<pg.QueryResult<Row>>[]> =>
  inTurn(client, () => run<Row>(client, { ...transaction, readOnlySession: true }, true));

/** Callers may not wait for each other, and their transactions must not mix. */
function inTurn<Answer>(client: object, transact: () => Promise<Answer>): Promise<Answer> {
  const turn = (last.get(client) ?? Promise.resolve()).then(transact);
  last.set(
    client,
    turn.catch(() => {}),
  );
  return turn;
}

const last = new WeakMap<object, Promise<unknown>>();

async function run<Row extends pg.QueryResultRow>(
  client: Pick<pg.Client, 'query'>,
  { settings, statements, cleanUp, tag = '', readOnlySession = false }: ReadOnlyTransaction,
  apart = false,
): Promise<PromiseSettledResult<pg.QueryResult<Row>>[]> {
  const end = () =>
    client
      .query(`ROLLBACK TO SAVEPOINT sqltrail; COMMIT${cleanUp ? `; ${cleanUp}` : ''}`)
      // There may be no savepoint, where a statement before it was cancelled.
      .catch(() => client.query('ROLLBACK'))
      // Then the connection is lost, and each statement has said so.
      .catch(() => {});
  const begin = Promise.allSettled([
    client.query('BEGIN READ ONLY; SAVEPOINT sqltrail'),
    // Names and values as parameters, so that pg_stat_statements has one entry for them and not one for each timeout.
    client.query({
      text: `SELECT pg_catalog.set_config(name, value, true)
  FROM unnest($1::pg_catalog.text[], $2::pg_catalog.text[]) AS wanted (name, value) ${tag}`,
      values: [Object.keys(settings), Object.values(settings)],
    }),
    // The settings stand before it.
    ...(apart ? [client.query('SAVEPOINT sqltrail_each')] : []),
  ]);
  const send = () =>
    Promise.all([
      Promise.allSettled(
        statements.map((statement) => {
          const result = client.query<Row>(statement as pg.QueryConfig);
          if (apart) client.query('ROLLBACK TO SAVEPOINT sqltrail_each').catch(() => {});
          return result;
        }),
      ),
      end(),
    ]);
  const sent = readOnlySession ? send() : undefined;
  for (const result of await begin)
    if (result.status === 'rejected') {
      await (sent ?? end());
      throw result.reason;
    }
  const [results] = await (sent ?? send());
  return results;
}

/**
 * A client whose every statement runs in a read-only transaction of its own with the given settings, so that it can be
 * used through any pooler. It takes single statements, or several with {@link transaction}; no COPY, no cursor.
 */
export class ReadOnlyClient extends pg.Client {
  readonly #settings: Settings;

  constructor(config: pg.ClientConfig, settings: Settings) {
    super({ ...config, pipeline: true });
    this.#settings = settings;
  }

  // The many forms of the original come down to these two where promises are used. The extended protocol takes one
  // statement only, so a read-only transaction cannot be left from within.
  override query = (async (statement: string | pg.QueryConfig, values?: unknown[]) => {
    const config = typeof statement === 'string' ? { text: statement } : statement;
    return readOnlyTransaction(this.#plain, {
      settings: this.#settings,
      statements: [{ ...config, ...(values ? { values } : {}), queryMode: 'extended' } as pg.QueryConfig],
    });
  }) as pg.Client['query'];

  /** Statements in one transaction. @returns the last one's result */
  transaction<Row extends pg.QueryResultRow>(
    ...statements: ReadOnlyTransaction['statements']
  ): Promise<pg.QueryResult<Row>> {
    return readOnlyTransaction<Row>(this.#plain, {
      settings: this.#settings,
      statements: statements.map((statement) => ({
        ...(typeof statement === 'string' ? { text: statement } : statement),
        queryMode: 'extended',
      })) as unknown as ReadOnlyTransaction['statements'],
    });
  }

  readonly #plain = { query: super.query.bind(this) } as Pick<pg.Client, 'query'>;
}
