import { beforeAll, beforeEach, expect, it } from 'vitest';
import { databaseFor } from '../../test/support/database.ts';
import { retyped } from '../../test/support/operated.ts';
import { verifyMigration } from '../engine.ts';
import { differences } from '../verify.ts';
import type { RetypeOptions } from './retype.ts';

const database = databaseFor('all');
beforeAll(async () => {
  await database.client.query(
    "CREATE DOMAIN day AS text CHECK (VALUE <> ''); CREATE TYPE mood AS ENUM ('sad', 'happy')",
  );
});
beforeEach(() => database.client.query('DROP TABLE IF EXISTS t'));

/** What the column is, what it becomes, its values, what one of them is then, and what is written then. */
it.each<[string, string, string[], string, string, Partial<RetypeOptions>?]>([
  ['text', 'date', ['2024-02-29', '0999-01-01', '9999-12-31'], '2024-02-29', "date '2025-01-01'"],
  ['day', 'date', ['2024-02-29'], '2024-02-29', "date '2025-01-01'"],
  [
    'varchar(10)',
    'date',
    ['29.02.2024', '01.01.1900'],
    '2024-02-29',
    "date '2025-01-01'",
    { format: 'DD.MM.YYYY' },
  ],
  ['text', 'date', ['20240229'], '2024-02-29', "date '2025-01-01'", { format: 'YYYYMMDD' }],
  [
    'text',
    'timestamp',
    ['2024-02-29T10:11:12', '2024-03-31T02:30:00'],
    '2024-02-29 10:11:12',
    "timestamp '2025-01-01 01:02:03'",
  ],
  [
    'text',
    'timestamp',
    ['2024-02-29 10:11:12.5', '2024-03-31 02:30:00'],
    '2024-02-29 10:11:12.5',
    "timestamp '2025-01-01 01:02:03.004005'",
  ],
  [
    'timestamp',
    'timestamptz',
    ['2024-07-01 10:00:00'],
    '2024-07-01 08:00:00+00',
    "timestamptz '2025-01-01 01:02:03+00'",
    { timeZone: 'Europe/Zurich' },
  ],
  [
    'date',
    'timestamptz',
    ['2024-07-01'],
    '2024-06-30 22:00:00+00',
    "timestamptz '2025-01-01 23:00:00+00'",
    { timeZone: 'Europe/Zurich' },
  ],
  [
    'text',
    'timestamptz',
    ['2024-02-29T10:11:12.120Z', '2024-02-29T10:11:12.123Z'],
    '2024-02-29 10:11:12.12+00',
    "timestamptz '2025-01-01 01:02:03.4+05'",
  ],
  [
    'text',
    'timestamptz',
    ['2024-07-01 10:00:00', '2024-12-01 10:00:00'],
    '2024-07-01 08:00:00+00',
    "timestamptz '2025-01-01 01:02:03+00'",
    { timeZone: 'Europe/Zurich' },
  ],
  [
    'bigint',
    'timestamptz',
    ['1700000000123', '-1'],
    '2023-11-14 22:13:20.123+00',
    "timestamptz '2025-01-01 01:02:03.456+00'",
    { format: 'milliseconds' },
  ],
  [
    'integer',
    'timestamp',
    ['1700000000', '0'],
    '2023-11-14 22:13:20',
    "timestamp '2025-01-01 01:02:03'",
    { format: 'seconds' },
  ],
  ['text', 'numeric(12,2)', ['1.50', '-0.01', '1234567890.12'], '1.50', '7.25'],
  ['text', 'numeric(12,2)', ['1,50', '-0,01'], '1.50', '7.25'],
  ['double precision', 'numeric(12,2)', ['1.5', '0.1', '1234567.89'], '1.50', '7.25'],
  ['real', 'numeric(8,2)', ['1.5', '0.1', '1234.56'], '1.50', '7.25'],
  ['money', 'numeric(12,2)', ['1.50', '-3.20'], '1.50', '7.25'],
  ['text', 'bigint', ['1.50', '-0.01'], '150', '725', { minorUnits: 2 }],
  ['double precision', 'bigint', ['1.5', '0.1'], '150', '725', { minorUnits: 2 }],
  ['money', 'integer', ['1.50', '0.1'], '150', '725', { minorUnits: 2 }],
  ['text', 'integer', ['5', '-2147483648'], '5', '7'],
  ['integer', 'bigint', ['5', '-2147483648'], '5', '7'],
  ['smallint', 'integer', ['5', '-32768'], '5', '7'],
  ['text', 'boolean', ['true', 'false'], 'true', 'false'],
  ['text', 'boolean', ['Yes', 'No'], 'true', 'false'],
  ['varchar(1)', 'boolean', ['1', '0'], 'true', 'false'],
  [
    'text',
    'uuid',
    ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    'gen_random_uuid()',
  ],
  [
    'text',
    'uuid',
    ['a0eebc999c0b4ef8bb6d6bb9bd380a11'],
    'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    'gen_random_uuid()',
  ],
  ['text', 'inet', ['10.0.0.1', '10.0.0.0/8', '::1'], '10.0.0.1/32', "'10.0.0.2'"],
  ['text', 'public.mood', ['sad', 'happy'], 'sad', "'happy'"],
  ['text', 'integer', ['a', 'b'], '97', '99', { using: 'ascii(v)', back: 'chr(v)' }],
  ['integer', 'text', ['5', '-7'], '5', "'8'"],
  [
    'text',
    'smallint',
    ['new', 'done'],
    '1',
    '2',
    { using: "CASE v WHEN 'new' THEN 1 WHEN 'done' THEN 2 END", back: "(ARRAY['new', 'done'])[v]" },
  ],
])('%s to %s: %j', async (from, to, values, becomes, written, options = {}) => {
  await database.client.query(
    `CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v ${from}, w ${from} DEFAULT '${values[0]}')`,
  );
  for (const value of [...values, null])
    await database.client.query(
      `INSERT INTO t (v) SELECT CASE WHEN $1::text IS NOT NULL THEN $1::text::${from === 'money' ? 'numeric::money' : from} END FROM generate_series(1, 20)`,
      [value],
    );
  const rows = async () =>
    (await database.client.query('SELECT id, v::text, w::text FROM t ORDER BY id')).rows;
  const before = await rows();
  // The session of whoever writes may have any settings.
  await database.client.query("SET datestyle = 'SQL, DMY'; SET timezone = 'Asia/Tokyo'");
  try {
    const it = await retyped(database.url, 't.v', to, options);
    await it.run('dual-write');
    await database.client.query('UPDATE t SET v = v WHERE id % 2 = 0');
    await it.run('cutover-writes');
    await database.client.query(`UPDATE t SET v = ${written} WHERE id % 5 = 1`);
    expect(differences(await verifyMigration(it.options))).toEqual([]);
    await database.client.query("SET datestyle = 'ISO'; SET timezone = 'UTC'");
    expect((await database.client.query('SELECT v::text FROM t WHERE id = 2')).rows[0].v).toBe(becomes);
    await it.back('none');
    const after = await rows();
    expect(after.filter(({ id }) => id % 5 !== 1)).toEqual(before.filter(({ id }) => id % 5 !== 1));
    expect(after.find(({ id }) => id === 1)?.v).not.toBe(null);
  } finally {
    await database.client.query('RESET datestyle; RESET timezone');
  }
});
