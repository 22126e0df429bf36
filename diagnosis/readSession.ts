/** Of a statement that reads many rows: it goes to the server alone, and lets a few others go first. */
export interface QueryLimits {
  /**
   * Wall-clock time for the statement and the rest that follows it, milliseconds: the server cancels it so early that
   * the rest fits too, or after the diagnosis's own statement timeout where that comes first.
   */
  withinMs: number;
}

/** As long as any statement may take. */
export const READS_MUCH: QueryLimits = { withinMs: Number.POSITIVE_INFINITY };

/** Read-only access with a budget. Every call is inside a READ ONLY transaction with its own timeouts. */
export interface Session {
  /**
   * @throws BudgetExceeded when the run's work budget is used up; NoTimeLeft when the limits leave too little to begin
   * with; the server's own error otherwise (57014 when the statement timeout of the diagnosis struck).
   */
  query<Row extends object>(sql: string, values?: unknown[], limits?: QueryLimits): Promise<Row[]>;
  /**
   * EXPLAIN (FORMAT JSON) of one statement, which is not run; it may hold `$n` placeholders with `GENERIC_PLAN, `
   * among the options.
   *
   * @param index an index that is not there, for the planner to consider
   */
  plan(
    statement: string,
    options: 'GENERIC_PLAN, ' | '',
    index?: { definition: string; hypopgSchema: string },
  ): Promise<unknown>;
  /**
   * The same session, whose statements run with these settings too. A setting ends with its statement's transaction, so
   * `set_config` in a statement of its own does nothing for the next.
   */
  withSettings(settings: Readonly<Record<string, string>>): Session;
  /** A Postgres identifier, quoted: `schema.table`. */
  quote(...parts: string[]): string;
}
