import pg from 'pg';

/** A Postgres identifier, each part quoted: `"schema"."table"`. */
export const quote = (...names: string[]) => names.map((name) => pg.escapeIdentifier(name)).join('.');

/** Columns of a list in SQL, each quoted, of an alias where one is given: `t."a", t."b"`. */
export const quoteList = (columns: readonly string[], alias?: string): string =>
  columns.map((column) => (alias ? `${alias}.${quote(column)}` : quote(column))).join(', ');

/** A Postgres text literal. */
export const literal = (text: string) => pg.escapeLiteral(text);
