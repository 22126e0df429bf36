import type pg from 'pg';

/** What an application is given to run with. */
export interface Surroundings {
  databaseUrl: string;
  /** Free on 127.0.0.1, for its API. */
  port: number;
}

/** One request or job of the load. @returns what it is counted under, such as `GET 200` */
export type Work = (signal: AbortSignal) => Promise<string>;

export interface Fault {
  /** In words: what is done to the database. */
  what: string;
  /** @returns how much it took */
  plant(client: pg.Client): Promise<string>;
  /** The alert that has to fire, and labels that it has to have. */
  alert: string;
  labels: Record<string, string>;
  /** The finding that names the cause. */
  check: string;
  table: string;
}

/** A transaction that somebody forgot, and that the application's statements wait for until its pool has no connection left. */
export interface Blockade {
  /** SQL of the transaction, which stays open. */
  sql: string;
  /** The table that it holds. */
  table: string;
  /** The summary of a statement that waits for it. */
  statement: RegExp;
}

/** A published application that knows nothing of sqltrail. */
export interface Application {
  /** As the command line has it. */
  name: string;
  /** Its packages on npm, at exact versions. */
  packages: readonly string[];
  /** Its `service.name`. */
  service: string;
  /** Whether it answers HTTP requests, as sqltrail.yaml has it. */
  requests: boolean;
  /** Files beside this one that are copied to where the packages are. */
  files?: readonly string[];
  /** Arguments of Node after those that load the telemetry. */
  program: readonly string[];
  env(surroundings: Surroundings): Record<string, string>;
  /** Whether it serves; throws or gives false until it does. */
  ready(surroundings: Surroundings): Promise<boolean>;
  /** Fills its database through its own API, once. */
  fill(surroundings: Surroundings, signal: AbortSignal): Promise<void>;
  /** What its users do; each is done by one client after the other, with {@link pauseMs} between. */
  work(surroundings: Surroundings): Work[];
  pauseMs: number;
  /** Where the query spans of each have to hang: an `http.route` with its method, or the name of a job's span. */
  roots: readonly { root: string; statement: RegExp }[];
  fault?: Fault;
  blockade?: Blockade;
}
