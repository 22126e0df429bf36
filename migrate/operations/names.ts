import type pg from 'pg';
import { nameOf } from '../../lib/pg/names.ts';
import { quote } from '../../lib/pg/quote.ts';

/** Gives names that no relation of a schema has, and that it has not given before. */
export class FreeNames {
  readonly #taken: Set<string>;

  constructor(taken: Iterable<string>) {
    this.#taken = new Set(taken);
  }

  /** Names of relations, types, functions and statistics are all avoided. */
  static async of(client: pg.ClientBase, schema: string): Promise<FreeNames> {
    const { rows } = await client.query<{ name: string }>(
      `SELECT relname::text AS name FROM pg_class WHERE relnamespace = $1::regnamespace
        UNION SELECT typname FROM pg_type WHERE typnamespace = $1::regnamespace
        UNION SELECT proname FROM pg_proc WHERE pronamespace = $1::regnamespace
        UNION SELECT stxname FROM pg_statistic_ext WHERE stxnamespace = $1::regnamespace`,
      [quote(schema)],
    );
    return new FreeNames(rows.map(({ name }) => name));
  }

  take(base: string, suffix = ''): string {
    for (let at = 0; ; at += 1) {
      const name = nameOf(base, at === 0 ? suffix : `${suffix}_${at}`);
      if (this.#taken.has(name)) continue;
      this.#taken.add(name);
      return name;
    }
  }
}
