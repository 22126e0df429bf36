import { existsSync } from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Table } from '../relations.ts';
import { allChecks } from './index.ts';
import { attributeRowsOf } from './model/entityAttributeValue.ts';
import { candidatesOf } from './model/functionalDependency.ts';
import { looksLikeList } from './model/listInColumn.ts';
import { isBookkeeping } from './model/sample.ts';
import { trueTypeOf } from './model/typedAsText.ts';
import { erlangC } from './set-up/erlangC.ts';
import { beginningOf, shareOlder } from './size/rowAge.ts';

/** A sample of a table whose columns are given by name with their type and the value of each row. */
function sampleOf(rows: number, given: Record<string, [type: string, value: (at: number) => string | null]>) {
  const columns = Object.entries(given).map(([name, [type]], at) => ({
    name,
    position: at + 1,
    type,
    notNull: false,
    hasDefault: false,
  }));
  const values = Object.entries(given).map(
    ([name, [, value]]) => [name, Array.from({ length: rows }, (_, at) => value(at))] as const,
  );
  const table = { columns, primaryKey: ['id'], uniqueKeys: [] as string[][] } as unknown as Table;
  return { table, rows, whole: true, columns: new Map(values) };
}

it('each check has a file of its own, named after it', () => {
  for (const { id, group } of allChecks) {
    const name = id.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
    expect(existsSync(path.join(import.meta.dirname, group, `${name}.ts`)), id).toBe(true);
  }
});

describe('entity, attribute, value', () => {
  const entity = (at: number) => String(Math.floor(at / 4));
  const attribute = (at: number) => `a${at % 4}`;
  it('is seen in one column of text and in a column for each type', () => {
    const text = sampleOf(400, {
      entity: ['integer', entity],
      attribute: ['text', attribute],
      value: ['text', (at) => (at % 4 === 0 ? String(at) : `word ${at}`)],
    });
    expect(attributeRowsOf(text)).toMatchObject({
      entity: 'entity',
      attribute: 'attribute',
      values: ['value'],
    });
    const only = (kind: number, value: string) => (at: number) => (at % 4 === kind ? value : null);
    const typed = sampleOf(400, {
      id: ['bigint', String],
      entity: ['integer', entity],
      attribute: ['integer', (at) => String(at % 4)],
      value_text: ['text', only(0, 'red')],
      value_integer: ['integer', only(1, '7')],
      value_boolean: ['boolean', only(2, 'true')],
      value_date: ['date', only(3, '2026-01-01')],
    });
    expect(attributeRowsOf(typed)?.values).toEqual([
      'value_text',
      'value_integer',
      'value_boolean',
      'value_date',
    ]);
  });

  it('is not seen where several of the columns are filled at once', () => {
    const row = sampleOf(400, {
      id: ['bigint', String],
      entity: ['integer', entity],
      kind: ['integer', (at) => String(at % 4)],
      title: ['text', (at) => (at % 2 ? 'red' : null)],
      width: ['integer', (at) => (at % 3 ? '7' : null)],
      since: ['date', (at) => (at % 5 ? '2026-01-01' : null)],
    });
    expect(attributeRowsOf(row)).toBeUndefined();
  });
});

it('a moment that rows share is no reason for what else they share', () => {
  const columns = (type: string): Parameters<typeof sampleOf>[1] => ({
    id: ['bigint', String],
    batch: [type, (at) => `2026-01-${10 + Math.floor(at / 50)}`],
    queue: ['text', (at) => `queue of ${Math.floor(at / 50) % 5}`],
  });
  expect(candidatesOf(sampleOf(1000, columns('text')))).toMatchObject([{ determinant: 'batch' }]);
  expect(candidatesOf(sampleOf(1000, columns('timestamp with time zone')))).toEqual([]);
});

it('a name that hardly two share is no reason for the id of who has it', () => {
  const posts = sampleOf(1000, {
    id: ['bigint', String],
    user_id: ['integer', (at) => String(at % 100)],
    // Some change theirs, so that the id does not determine it.
    display_name: ['text', (at) => `Name ${at % 100}${at % 7 === 0 ? ' II' : ''}`],
  });
  expect(candidatesOf(posts)).toEqual([]);
});

it('the beginning of a row goes on until now: no birthday, no expiry', () => {
  const day = 86_400_000;
  const [born, created, expires] = [
    [0, 9_000 * day],
    [8_000 * day, 20_000 * day],
    [8_100 * day, 20_400 * day],
  ].map((bounds) => ({ bounds }));
  const all = [born, created, expires].filter((each) => each !== undefined);
  expect(beginningOf(all, 20_000 * day)).toBe(created);
  expect(beginningOf(all.slice(0, 1), 20_000 * day)).toBe(born);
});

it('bookkeeping of migration tools is no model of the application', () => {
  for (const name of [
    'schema_migrations',
    'flyway_schema_history',
    'DATABASECHANGELOG',
    'django_migrations',
    'part_config',
  ])
    expect(isBookkeeping({ schema: 'public', name }), name).toBe(true);
  expect(isBookkeeping({ schema: 'public', name: 'schema_migrations_audit' })).toBe(false);
});

const many = (make: (at: number) => string) => Array.from({ length: 60 }, (_, at) => make(at));

describe('what text columns really hold', () => {
  it.each([
    ['dates', many((at) => `2026-01-${String(1 + (at % 28)).padStart(2, '0')}`), 'date'],
    ['dates with time', many((at) => `2026-01-02 10:00:${String(at).padStart(2, '0')}`), 'timestamp'],
    ['amounts', many((at) => `${at}.99`), 'money'],
    ['numbers of any length', many((at) => String(at * 37)), 'number'],
    ['ratings', many((at) => String(1 + (at % 5))), 'number'],
    ['postcodes of one length', many((at) => String(10_000 + at)), undefined],
    ['codes with leading zeros', many((at) => `0${at}`), undefined],
    ['phones', many((at) => `+49 30 ${at}`), undefined],
    ['words', many((at) => `word ${at}`), undefined],
    ['months that do not exist', many(() => '2026-13-01'), undefined],
  ])('%s', (_name, values, type) => expect(trueTypeOf(values)).toBe(type));

  it.each([
    ['versions', many((at) => `${1 + (at % 18)}.${at % 12}`), 'release', undefined],
    ['versions whatever the name', many((at) => `1.${at % 12}`), 'runs_on', undefined],
    ['ids of another system', many((at) => String(1_000_000_007 * (at + 1))), 'remote_id', undefined],
    ['ids that are all different', many((at) => String(10 ** (10 + (at % 3)) + at)), 'message', undefined],
    ['prices with a decimal comma', many((at) => `${at},${10 + (at % 90)}`), 'price', 'money'],
    ['dates of Europe', many((at) => `${1 + (at % 28)}.0${1 + (at % 9)}.2026`), 'born', 'date'],
    ['dates of America', many((at) => `0${1 + (at % 9)}/${1 + (at % 28)}/2026`), 'born', 'date'],
    ['fractions', many((at) => `${at % 12}/${at % 31}`), 'part', undefined],
    ['weights', many((at) => `${at}.5`), 'weight', 'money'],
  ])('%s', (_name, values, column, type) => expect(trueTypeOf(values, column)).toBe(type));

  it.each([
    ['calendar rules', many((at) => `FREQ=WEEKLY;BYDAY=MO,WE;INTERVAL=${at % 4}`)],
    ['surnames and forenames', many((at) => `${['Doe', 'Roe', 'Poe'][at % 3]},${['Ann', 'Bob'][at % 2]}`)],
    ['a provider and its id', many((at) => `${['auth0', 'google'][at % 2]}|5f7c8ec7${at}`)],
    ['decimal commas', many((at) => `${at},${10 + (at % 90)}`)],
  ])('no list: %s', (_name, values) => expect(looksLikeList(values)).toBeUndefined());

  it('lists are told from names, addresses and sentences', () => {
    expect(looksLikeList(many((at) => `red,blue,${at % 3 ? 'oak' : 'steel'}`))?.mean).toBeCloseTo(3);
    expect(looksLikeList(many((at) => `https://a/${at}.jpg,https://a/${at}-2.jpg`))).toBeDefined();
    expect(looksLikeList(many((at) => `Doe${at}, Jane${at}`))).toBeUndefined();
    expect(looksLikeList(many((at) => `Long Street ${at}, Old Town`))).toBeUndefined();
    expect(looksLikeList(many(() => 'It is good, and cheap, too'))).toBeUndefined();
    expect(looksLikeList(many(() => '{"a":1,"b":2}'))).toBeUndefined();
  });

  it('is told from single values that are now and then two of the same joined', () => {
    const many = (value: (at: number) => string) => Array.from({ length: 400 }, (_, at) => value(at));
    const codes = (at: number) => (at % 7 ? `CODE${at % 12}` : `CODE${at % 12},SUMMER${at % 5}`);
    expect(looksLikeList(many(codes))).toMatchObject({ separator: ',' });
    expect(looksLikeList(many((at) => (at % 8 ? `1${at % 50}` : `1${at % 50},5`)))).toBeUndefined();
    expect(looksLikeList(many((at) => (at % 8 ? `Doe${at}` : `Doe${at},Jane${at}`)))).toBeUndefined();
    expect(looksLikeList(many((at) => (at === 8 ? 'A,B' : ('AB'[at % 2] ?? ''))))).toBeUndefined();
  });
});

describe('Erlang C', () => {
  it('equals values of published tables', () => {
    // c = 1 is M/M/1, where the chance of waiting is the load; c = 2, a = 1: 1/3.
    expect(erlangC(1, 0.6)).toBeCloseTo(0.6, 10);
    expect(erlangC(2, 1)).toBeCloseTo(1 / 3, 10);
    expect(erlangC(10, 10)).toBe(1);
  });

  it('lies between 0 and 1, rises with the load and falls with the servers', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 60 }),
        fc.double({ min: 0.01, max: 0.98, noNaN: true }),
        (servers, utilisation) => {
          const load = servers * utilisation;
          const wait = erlangC(servers, load);
          expect(wait).toBeGreaterThanOrEqual(0);
          expect(wait).toBeLessThanOrEqual(1);
          expect(erlangC(servers, load * 1.01)).toBeGreaterThanOrEqual(wait);
          expect(erlangC(servers + 1, load)).toBeLessThanOrEqual(wait);
        },
      ),
    );
  });
});

it('the share of rows older than a moment rises from 0 to 1', () => {
  const bounds = [0, 10, 20, 30, 40];
  expect([-1, 0, 5, 20, 40, 41].map((before) => shareOlder({ bounds }, before))).toEqual([
    0, 0, 0.125, 0.5, 1, 1,
  ]);
});
