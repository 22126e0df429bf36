import fc from 'fast-check';

/** Begins every planted value, so that any part of one that is long enough to matter is found. */
export const MARK = 'zqv';
const secret = fc.stringMatching(/^[a-z0-9]{0,12}$/).map((rest) => MARK + rest);

/** All forms of a constant that Postgres's lexer has, each with a value inside, some of it awkward. */
const constant = fc
  .tuple(
    secret,
    fc.constantFrom('', '\\', "''", '"', '--', '/*', '$', '$1', '\n', '; ', '😀', '%', '\u0000'),
    secret,
  )
  .chain(([a, awkward, b]) => {
    const inner = `${a}${awkward}${b}`;
    const hex = Buffer.from(inner).toString('hex');
    return fc.constantFrom(
      `'${inner}'`,
      `E'${inner.replaceAll('\\', '\\\\')}\\'${b}'`,
      `e'\\\\${a}\\\\'`,
      `U&'${inner.replaceAll('\\', '')}'`,
      `N'${inner}'`,
      `$$${a}'${b}$$`,
      `$t9$${inner.replaceAll('$', '')} $$ ${b} $t9$`,
      `$ü$${a}$ü$`,
      `'${a}'\n  '${b}'`,
      `E'${a}'\n '${b}\\''`,
      `/* ${a} /* ${b} */ '${a} */ 1`,
      `1 -- ${a}\n`,
      `B'01' || X'${hex}' || '${a}'`,
      `'{${a},"${b}"}'::text[]`,
      `interval '${a}'`,
      `'${a}'::"char"`,
    );
  });

/** Where statements hold constants: queries, every kind of utility statement, and texts that are no SQL. */
const forms: ((value: string) => string)[] = [
  (v) => `SELECT * FROM t WHERE a = ${v} AND b <> $1`,
  (v) => `SELECT ${v} AS x, f(${v}) FROM t ORDER BY loc <-> ${v} LIMIT 5`,
  (v) => `INSERT INTO t (a) VALUES (${v}), (${v}) ON CONFLICT DO NOTHING`,
  (v) => `UPDATE t SET a = ${v} WHERE b IN (${v}, ${v})`,
  (v) => `DELETE FROM t USING u WHERE t.a LIKE ${v}`,
  (v) => `MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN UPDATE SET a = ${v}`,
  (v) => `WITH x AS (SELECT ${v}) SELECT * FROM x`,
  (v) => `VALUES (${v})`,
  (v) => `EXECUTE p(${v}, 1)`,
  (v) => `PREPARE p AS SELECT ${v}`,
  (v) => `CALL p(${v})`,
  (v) => `DO ${v}`,
  (v) => `COMMENT ON TABLE t IS ${v}`,
  (v) => `SECURITY LABEL ON TABLE t IS ${v}`,
  (v) => `SET app.tenant = ${v}`,
  (v) => `SET LOCAL search_path TO ${v}`,
  (v) => `SET TIME ZONE ${v}`,
  (v) => `ALTER ROLE r SET app.key = ${v}`,
  (v) => `ALTER DATABASE d SET app.key TO ${v}`,
  (v) => `ALTER SYSTEM SET primary_conninfo = ${v}`,
  (v) => `ALTER ROLE r PASSWORD ${v}`,
  (v) => `CREATE ROLE r LOGIN PASSWORD ${v} VALID UNTIL ${v}`,
  (v) => `CREATE USER MAPPING FOR r SERVER s OPTIONS (password ${v})`,
  (v) => `CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (host ${v}, user ${v})`,
  (v) => `CREATE SUBSCRIPTION s CONNECTION ${v} PUBLICATION p`,
  (v) => `COPY t FROM PROGRAM ${v}`,
  (v) => `COPY (SELECT ${v}) TO ${v} WITH (FORMAT csv, NULL ${v})`,
  (v) => `CREATE TABLE t (a text DEFAULT ${v} CHECK (a <> ${v}))`,
  (v) => `ALTER TABLE t ADD COLUMN b text DEFAULT ${v}`,
  (v) => `CREATE VIEW w AS SELECT ${v} AS a`,
  (v) => `CREATE MATERIALIZED VIEW w AS SELECT * FROM t WHERE a = ${v}`,
  (v) => `CREATE POLICY p ON t USING (a = ${v})`,
  (v) => `CREATE INDEX i ON t (a) WHERE b = ${v}`,
  (v) => `CREATE TYPE e AS ENUM (${v}, ${v})`,
  (v) => `ALTER TYPE e ADD VALUE ${v}`,
  (v) => `CREATE DOMAIN d AS text CHECK (value <> ${v})`,
  (v) => `CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW WHEN (new.a = ${v}) EXECUTE FUNCTION f(${v})`,
  (v) => `CREATE RULE r AS ON INSERT TO t DO ALSO SELECT ${v}`,
  (v) => `CREATE FUNCTION f() RETURNS text LANGUAGE sql AS ${v}`,
  (v) => `CREATE TABLE q PARTITION OF t FOR VALUES IN (${v})`,
  (v) => `PREPARE TRANSACTION ${v}`,
  (v) => `COMMIT PREPARED ${v}`,
  (v) => `NOTIFY c, ${v}`,
  (v) => `LOAD ${v}`,
  (v) => `DECLARE c CURSOR FOR SELECT ${v}`,
  (v) => `EXPLAIN ANALYZE SELECT * FROM t WHERE a = ${v}`,
  (v) => `IMPORT FOREIGN SCHEMA s FROM SERVER r INTO t OPTIONS (x ${v})`,
  (v) => `SELECT 1; SET app.x TO ${v}; SELECT ${v}`,
  (v) => `SELEC * FORM t WHERE a = ${v}`,
  (v) => `${v} is no statement`,
];

/** A statement with planted values, whole or cut at any place, as a log or a view of the server cuts it. */
export const plantedStatement = fc
  .tuple(fc.constantFrom(...forms), constant, fc.option(fc.double({ min: 0, max: 1, noNaN: true })))
  .map(([form, value, cutAt]) => {
    const whole = form(value);
    return cutAt === null ? whole : whole.slice(0, Math.round(whole.length * cutAt));
  });

/** Error texts: how they come, with their SQLSTATE, and how they may leave. */
export const messages: [message: string, sqlState: string | undefined, redacted: string][] = [
  ['customer zqv is blocked', 'SHOPX', 'SQLSTATE SHOPX'],
  ['Key (email)=(zqv@example.com) already exists.', '23505', 'SQLSTATE 23505'],
  ['Failing row contains (7, zqv, null).', '23514', 'SQLSTATE 23514'],
  ['invalid input syntax for type integer: "zqv"', '22P02', 'SQLSTATE 22P02'],
  ['customer zqv is blocked', undefined, '?'],
  ['Unexpected token a in JSON at position 7: zqv', undefined, '?'],
  ['connect ECONNREFUSED 10.0.0.1:5432', undefined, 'connect ECONNREFUSED'],
  ['EZQV zqv', undefined, '?'],
  ['Query read timeout', undefined, 'Query read timeout'],
  ['canceling statement due to statement timeout', '57014', 'canceling statement due to statement timeout'],
];

/** Addresses, and what is left of them. */
export const urls: [url: string, redacted: string][] = [
  ['https://user:zqv@api.example/target?token=zqv', 'https://api.example/?'],
  ['http://api.example:8080/customers/zqv#zqv', 'http://api.example:8080/?'],
  ['http://api.example?zqv', 'http://api.example/?'],
  ['zqv', '?'],
];
