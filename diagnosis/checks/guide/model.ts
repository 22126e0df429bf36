import type { Page } from './page.ts';

export const model: Record<string, Page> = {
  'duplicate-foreign-key': {
    why: 'Each write of the reference looks up and locks the parent once for each of the foreign keys.',
    measured:
      'Two foreign keys of a table have the same `pg_get_constraintdef()`, whether validated or not. Foreign keys with different actions are not duplicates.',
    wrong: 'Never. But a migration may refer to the constraint by name.',
    fix: '`ALTER TABLE … DROP CONSTRAINT`, which briefly takes ACCESS EXCLUSIVE on both tables.',
  },
  'entity-attribute-value': {
    why: 'The attributes of one entity are spread over many rows, without types or constraints, and with a join for each attribute.',
    measured:
      'On a sample: an entity, an attribute that repeats over the entities, and one value of several columns filled in each row.',
    wrong: 'Attributes that users define themselves have to be rows or a document.',
    fix: 'Columns for what most entities have; jsonb with GIN for the rest. `sqltrail migrate plan … eav-to-jsonb` makes one document of the rows of an entity online.',
  },
  'functional-dependency': {
    why: 'Values that another column determines are copied into every row, and over time the copies contradict each other.',
    measured:
      'g3 (Kivinen and Mannila 1995) of pairs of columns on a sample, at most 0.1, confirmed on whole groups in the database. Amounts, timestamps, and names of persons beside their ids are left out.',
    wrong:
      'A copy may be intended: the delivery address of an order, the price that was paid. In today’s data, two columns may also depend on each other by chance.',
    fix: 'A separate table for the determinant, and a reference to it: `sqltrail migrate plan … extract` creates it online, and keeps the contradictions in a ledger.',
  },
  'list-in-column': {
    why: 'A single entry can only be found by pattern matching, and nothing keeps entries valid or unique.',
    measured:
      'On a sample of a text column (also of a domain or citext): values with a separator whose parts are single words that occur repeatedly. Names, calendar rules, amounts and sentences are ignored.',
    wrong: 'A list that is only ever read and written as a whole is a value.',
    fix: 'A table with a row for each entry (`sqltrail migrate plan … split-list` makes it online), or an array with GIN.',
  },
  'missing-foreign-key': {
    why: 'Nothing prevents rows from referring to missing rows, and the planner knows nothing about the join.',
    measured:
      'Columns whose name suggests a reference (the table’s name, the role of a person, a parent in the same table, a unique column of the same name), and whose sampled values are keys of that table, except for up to 5 %. Orphans are counted.',
    wrong:
      'A reference that outlives its target, as in an audit log; a column is left out if another column says which table it refers to.',
    fix: '`ADD FOREIGN KEY … NOT VALID`, then VALIDATE once there are no orphans, both with a short lock; and an index on the column.',
  },
  'missing-primary-key': {
    why: 'A row cannot be named: by a reference, by a batch, or by logical replication.',
    measured:
      'Neither a primary key nor a unique index whose columns are all NOT NULL. Tables of migration tools are left out.',
    wrong: 'A staging table that is emptied each time.',
    fix: 'The natural key if there is one, otherwise an identity column. Adding one rewrites the table.',
  },
  'not-validated-constraint': {
    why: 'It is only enforced for new rows, so neither the planner nor a reader can rely on it.',
    measured:
      '`pg_constraint.convalidated` is false; constraints that are deliberately not enforced (Postgres 18) are left out.',
    wrong: 'A migration may be in progress, with the second step still to come.',
    fix: '`VALIDATE CONSTRAINT` reads all rows under SHARE UPDATE EXCLUSIVE and fails at the first violation; correct those rows first.',
  },
  'typed-as-text': {
    why: 'Each comparison needs a cast that no plain index serves, ranges are not estimated, and wrong values get in.',
    measured:
      'On a sample of a text column: all values are dates (of any usual form), amounts or numbers, up to 5 % of placeholders such as `n/a`. Codes, versions and ids of other systems are left alone by their form and name.',
    wrong: 'A number that nobody calculates with is a code: tomorrow it may begin with a zero.',
    fix: '`sqltrail migrate plan … retype` changes the type of the column online; ALTER TYPE rewrites the table under ACCESS EXCLUSIVE.',
  },
  'weak-type': {
    why: 'These types lose information that they seem to have: the currency, the time zone, trailing blanks.',
    measured:
      'The types of the columns, of domains too, as PostgreSQL’s wiki lists them under “Don’t Do This”; for information.',
    wrong: 'A time without a zone is right for an opening hour, and json preserves the order of keys.',
    fix: 'numeric, text with a CHECK, timestamptz, jsonb: at the next change of the table, or online by `sqltrail migrate plan … retype`. To convert between timestamp and timestamptz, state the zone (`AT TIME ZONE`).',
  },
};
