import pg from 'pg';

/** A Postgres identifier, each part quoted: `"schema"."table"`. */
export const quote = (...names: string[]) => names.map((name) => pg.escapeIdentifier(name)).join('.');

/** A Postgres text literal. */
export const literal = (text: string) => pg.escapeLiteral(text);
