import { beforeAll, describe, expect, it } from 'vitest';
import { sessionStateOf } from './sessionState.ts';
import { describeStatement, loadParser } from './statement.ts';

beforeAll(loadParser);

/** What is to be repeated after these statements; one that starts with `!` fails. */
function repeatAfter(statements: string[]): readonly string[] | undefined {
  const state = sessionStateOf({});
  for (const text of statements) {
    const sql = text.replace(/^!/, '');
    state.given(sql, describeStatement(sql));
    if (sql !== text) state.failed(describeStatement(sql));
  }
  return state.repeat();
}

describe('what a session is to repeat so that it plans alike', () => {
  it.each<[string[], string[] | undefined]>([
    [['SELECT 1'], []],
    [['SET search_path TO a', 'SELECT 1'], ['SET search_path TO a']],
    [['SET search_path TO a', 'SET search_path TO b'], ['SET search_path TO b']],
    [['SET search_path TO a', 'RESET search_path'], []],
    [['SET work_mem = 1', 'SET ROLE r', 'RESET ALL'], ['SET ROLE r']],
    [['SET work_mem = 1', 'SET ROLE r', 'RESET ROLE'], ['SET work_mem = 1']],
    [['SET work_mem = 1', 'DISCARD ALL'], []],
    [['CREATE TEMP TABLE t (a int)', 'DISCARD ALL'], []],
    // What no plan depends on.
    [['SET statement_timeout = 5', "SET client_min_messages TO 'warning'", "SET TIME ZONE 'UTC'"], []],
    [['SET TRANSACTION ISOLATION LEVEL SERIALIZABLE', 'BEGIN ISOLATION LEVEL SERIALIZABLE'], []],
    // Transactions keep or revert what was set in them.
    [['BEGIN', 'SET work_mem = 1'], ['SET work_mem = 1']],
    [['BEGIN', 'SET work_mem = 1', 'COMMIT'], ['SET work_mem = 1']],
    [['BEGIN', 'SET work_mem = 1', 'ROLLBACK'], []],
    [['BEGIN', 'SET LOCAL work_mem = 1'], ['SET LOCAL work_mem = 1']],
    [['BEGIN', 'SET LOCAL ROLE r', 'COMMIT'], []],
    [['SET LOCAL work_mem = 1'], []],
    [['SET work_mem = 1', 'BEGIN', 'RESET work_mem', 'ROLLBACK'], ['SET work_mem = 1']],
    // Nobody can tell.
    [['BEGIN', 'SET work_mem = 1', 'SAVEPOINT s', 'ROLLBACK TO s'], undefined],
    [['BEGIN', 'SET work_mem = 1', '!SELECT 1/0', 'COMMIT'], undefined],
    [['BEGIN', '!SELECT 1/0', 'COMMIT'], []],
    [['BEGIN', 'SAVEPOINT s', 'ROLLBACK TO s', 'COMMIT'], []],
    [['!SET ROLE nobody'], undefined],
    [['SET work_mem = 1; SET search_path TO a'], undefined],
    [["SELECT set_config('search_path', $1, false)"], undefined],
    [["SELECT pg_catalog.set_config('role', 'r', true)"], undefined],
    [['CREATE TEMP TABLE t (a int)'], undefined],
    [['SELECT 1 AS a INTO TEMPORARY t'], undefined],
    [['DO $$ BEGIN SET ROLE r; END $$'], undefined],
    [['CALL p()'], undefined],
    [['SET search_path TO a', 'SET search_path FROM CURRENT'], ['SET search_path TO a']],
    [['SET search_path TO a', 'SET search_path TO DEFAULT'], []],
    [['this is no SQL but may SET something'], undefined],
  ])('%j: %j', (statements, expected) => {
    expect(repeatAfter(statements)).toEqual(expected);
  });

  it('is not known after more settings than a plan is worth', () => {
    expect(repeatAfter(Array.from({ length: 30 }, (_, n) => `SET app.setting${n} = 1`))).toBeUndefined();
  });
});
