import type pg from 'pg';
import { readCapabilities, readStatements } from '../../diagnosis/catalogue.ts';
import { ConnectionFailed, openSession } from '../../diagnosis/session.ts';
import { readJournal } from '../../fix/journal.ts';
import type { JournalEntry } from '../../fix/journalEntry.ts';
import { describeStatement, loadParser } from '../../instrumentation/statement.ts';
import { describeTarget } from '../../lib/pg/connect.ts';
import { SourceUnavailable } from '../problem.ts';

/** One statement as pg_stat_statements has it, since its reset. */
export interface MeasuredStatement {
  queryid: string;
  /** `db.query.summary`, the name that spans and metrics know it by. */
  summary: string;
  /** Equal for statements that differ in constants alone; null for one that cannot be parsed. */
  fingerprint: string | null;
  calls: number;
  meanMs: number;
  /** Rows that a call returned or changed, on average. */
  rowsPerCall: number;
}

/** What the console reads from the database itself. */
export interface DatabaseFacts {
  statements: MeasuredStatement[];
  /** Rows of each table by its name, as the last ANALYZE counted them; -1 before the first. */
  tableRows: Record<string, number>;
}

const KEPT_MS = 15_000;

function unavailable(error: unknown, url: string): SourceUnavailable {
  const detail =
    error instanceof ConnectionFailed ? error.message : `${describeTarget(url)}: ${(error as Error).message}`;
  return new SourceUnavailable(
    'Postgres',
    detail,
    'Look whether the database runs, and whether DATABASE_URL names a role with pg_monitor.',
    { cause: error },
  );
}

/** Reads of the monitored database, each on a connection of its own that is closed at once. */
export class DatabaseSource {
  readonly url: string;
  readonly #signal: AbortSignal;
  #facts: { at: number; reading: Promise<DatabaseFacts> } | undefined;

  constructor(url: string, signal: AbortSignal) {
    this.url = url;
    this.#signal = signal;
  }

  /** Kept for a quarter of a minute. @throws SourceUnavailable */
  facts(): Promise<DatabaseFacts> {
    if (!this.#facts || Date.now() - this.#facts.at > KEPT_MS) {
      const reading = this.#readFacts();
      this.#facts = { at: Date.now(), reading };
      reading.catch(() => {
        this.#facts = undefined;
      });
    }
    return this.#facts.reading;
  }

  async #readFacts(): Promise<DatabaseFacts> {
    try {
      await loadParser();
      const session = await openSession({
        url: this.url,
        statementTimeoutMs: 3_000,
        lockTimeoutMs: 500,
        budgetMs: 5_000,
        dutyCycle: 1,
        signal: this.#signal,
      });
      try {
        const { statements } = await readStatements(session, await readCapabilities(session));
        const tables = await session.query<{ name: string; rows: number }>(
          `SELECT c.relname AS name, c.reltuples::float8 AS rows
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')`,
        );
        return {
          statements: statements.map(({ queryid, text, calls, meanMs, rows }) => {
            const { summary, fingerprint = null } = describeStatement(text);
            return { queryid, summary, fingerprint, calls, meanMs, rowsPerCall: rows / Math.max(1, calls) };
          }),
          tableRows: Object.fromEntries(tables.map(({ name, rows }) => [name, rows])),
        };
      } finally {
        await session.close();
      }
    } catch (error) {
      throw unavailable(error, this.url);
    }
  }

  /**
   * What sqltrail has changed in this database.
   *
   * @param owner a role that surely may read the journal, where one is known
   * @throws SourceUnavailable
   */
  async journal(owner?: string): Promise<JournalEntry[]> {
    try {
      return await readJournal(owner ?? this.url);
    } catch (error) {
      if ((error as pg.DatabaseError).code === '42501')
        throw new SourceUnavailable(
          'Journal',
          'The role of DATABASE_URL may not read the journal (schema sqltrail).',
          'GRANT USAGE ON SCHEMA sqltrail and SELECT ON sqltrail.action to it.',
          { cause: error },
        );
      throw unavailable(error, this.url);
    }
  }
}
