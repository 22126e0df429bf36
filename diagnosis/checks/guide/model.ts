import type { Page } from './page.ts';

export const model: Record<string, Page> = {
  'duplicate-foreign-key': {
    why: 'Each write of the reference looks the parent up and locks it once for each key.',
    measured:
      '`pg_get_constraintdef()` of the foreign keys of a table is the same, whether validated or not; one with other actions is another one.',
    wrong: 'Never; a migration may name the constraint.',
    fix: '`ALTER TABLE … DROP CONSTRAINT`, which takes ACCESS EXCLUSIVE on both tables for a moment.',
  },
  'entity-attribute-value': {
    why: 'A row of facts is scattered over many rows: no types, no constraints, and a join for each fact.',
    measured:
      'On a sample: an entity, an attribute that repeats over the entities, and one value of several columns filled in each row.',
    wrong: 'Attributes that users define themselves have to be rows or a document.',
    fix: 'Columns for what most entities have; jsonb with GIN for the rest.',
  },
  'functional-dependency': {
    why: 'What one column determines is copied into every row, and the copies come to contradict each other.',
    measured:
      'g3 (Kivinen and Mannila 1995) of pairs of columns on a sample, at most 0.1, confirmed on whole groups in the database. Amounts, moments and names of persons for their ids are left out.',
    wrong:
      'A copy may be meant: the address that was delivered to, the price that was paid. Two columns may go together by chance in the data of today.',
    fix: 'A table of its own for the determinant, and a reference to it: `sqltrail migrate plan … extract` makes it online, with the contradictions in a ledger.',
  },
  'list-in-column': {
    why: 'One entry is found by pattern only, and nothing keeps it right or unique.',
    measured:
      'On a sample of a text column (also of a domain or citext): values with a separator whose parts are single words that repeat. Names, calendar rules, amounts and sentences are left alone.',
    wrong: 'A list that is only ever read and written as a whole is a value.',
    fix: 'A table with a row for each entry (`sqltrail migrate plan … split-list` makes it online), or an array with GIN.',
  },
  'missing-foreign-key': {
    why: 'Nothing keeps rows from referring to what is not there, and the planner knows nothing of the join.',
    measured:
      'Columns whose name proposes a reference (the table’s name, the role of a person, a parent in the same table, a unique column of the same name), and whose sampled values are keys of that table up to 5 %; orphans are counted.',
    wrong:
      'A reference that outlives its target, as in an audit log; a column whose table a column beside it names is left out.',
    fix: '`ADD FOREIGN KEY … NOT VALID`, then VALIDATE when no row refers to nothing; both with a short lock. And an index on the column.',
  },
  'missing-primary-key': {
    why: 'A row cannot be named: by a reference, by a batch, or by logical replication.',
    measured:
      'Neither a primary key nor a unique index whose columns are all NOT NULL. Tables of migration tools are left out.',
    wrong: 'A staging table that is emptied each time.',
    fix: 'The natural key if there is one, otherwise an identity column. Adding one writes the table anew.',
  },
  'not-validated-constraint': {
    why: 'It holds for new rows only, so neither the planner nor a reader can rely on it.',
    measured:
      '`pg_constraint.convalidated` is false; constraints that are not enforced by intention (Postgres 18) are left out.',
    wrong: 'A migration may be on its way: the second step is still to come.',
    fix: '`VALIDATE CONSTRAINT` reads all rows under SHARE UPDATE EXCLUSIVE and fails at the first that breaks it; correct those first.',
  },
  'typed-as-text': {
    why: 'Each comparison needs a cast that no plain index serves, ranges are not estimated, and wrong values get in.',
    measured:
      'On a sample of a text column: all values are dates (of any usual form), amounts or numbers, up to 5 % of placeholders such as `n/a`. Codes, versions and ids of other systems are left alone by their form and name.',
    wrong: 'A number that nobody reckons with is a code: it may begin with a zero tomorrow.',
    fix: '`sqltrail migrate plan … retype` gives the column the true type online; ALTER TYPE in place writes the table anew under ACCESS EXCLUSIVE.',
  },
  'weak-type': {
    why: 'They hold less than they seem to: no currency, no moment, blanks that come and go.',
    measured:
      'The types of the columns, of domains too, as PostgreSQL’s wiki lists them under “Don’t Do This”; for information.',
    wrong: 'An opening hour is rightly a time without a zone; json keeps the order of keys.',
    fix: 'numeric, text with a CHECK, timestamptz, jsonb: at the next change of the table, or online by `sqltrail migrate plan … retype`. Between timestamp and timestamptz say the zone (`AT TIME ZONE`).',
  },
};
