import { beforeAll, expect, it } from 'vitest';
import { readingOf } from './reading.ts';
import { isOneStatement, loadParser } from './shape.ts';

beforeAll(loadParser);

it.each([
  ['UPDATE t SET a = $1 WHERE id = $2 RETURNING *', 'SELECT FROM t WHERE id = $1'],
  ['UPDATE ONLY s."t" AS x SET a = now()', 'SELECT FROM ONLY s . "t" AS x'],
  [
    "UPDATE t SET a = b IS DISTINCT FROM c, d = '$9' FROM u JOIN v ON u.id = v.id WHERE t.u = u.id AND t.b = $3 AND t.c < $3",
    'SELECT FROM t , u JOIN v ON u . id = v . id WHERE t . u = u . id AND t . b = $1 AND t . c < $1',
  ],
  [
    'DELETE FROM t USING u WHERE t.id = u.id AND u.at < $1 /* nightly */',
    'SELECT FROM t , u WHERE t . id = u . id AND u . at < $1',
  ],
  ['DELETE FROM t', 'SELECT FROM t'],
  [
    "WITH next AS (SELECT id FROM job WHERE state = $1 ORDER BY id LIMIT $2 FOR NO KEY UPDATE OF job SKIP LOCKED) UPDATE job SET note = '$5', state = $3 FROM next WHERE job.id = next.id RETURNING job.id",
    'WITH next AS ( SELECT id FROM job WHERE state = $1 ORDER BY id LIMIT $2 ) SELECT FROM job , next WHERE job . id = next . id',
  ],
  [
    'INSERT INTO t (a) SELECT b FROM u JOIN v ON u.id = v.id WHERE u.x = $1 ON CONFLICT (a) DO UPDATE SET a = $2 RETURNING a',
    'SELECT b FROM u JOIN v ON u . id = v . id WHERE u . x = $1',
  ],
  [
    "SELECT * FROM t WHERE a = '$7' AND b = $2 FOR UPDATE NOWAIT",
    "SELECT * FROM t WHERE a = '$7' AND b = $1",
  ],
])('%s', (change, reading) => {
  expect(readingOf(change)).toBe(reading);
  expect(isOneStatement(reading)).toBe(true);
});

it('what reads nothing, and what changes nothing, has none', () => {
  for (const sql of [
    'INSERT INTO t VALUES ($1), ($2)',
    'INSERT INTO t DEFAULT VALUES',
    'SELECT substring(a for 3) FROM t',
    'MERGE INTO t USING u ON t.id = u.id WHEN MATCHED THEN DELETE',
    'TRUNCATE t',
  ])
    expect(readingOf(sql)).toBeUndefined();
});
