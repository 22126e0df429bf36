import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type DataModel, toMermaid, toSvg } from './diagram.ts';

const box = (name: string, columns: string[]) => ({
  schema: 'public',
  name,
  columns: columns.map((column, at) => ({
    name: column,
    type: at ? 'numeric(10,2)' : 'text',
    notNull: at > 0,
    key: at === 0,
  })),
  partitionKey: null,
  partitions: 0,
});
const reference = (from: string, columns: string[], to: string) => ({
  from: `public.${from}`,
  columns,
  to: `public.${to}`,
  enforced: true,
  required: true,
  unique: false,
});

/** What Mermaid 12 takes of an erDiagram (its lexer and grammar), as far as a data model needs it. */
const entity = /^ {2}[A-Za-z][A-Za-z0-9_]*(\["[^"%\\\n]*"\])? \{$/;
const attribute = /^ {4}[A-Za-z_][A-Za-z0-9_]* [A-Za-z_][A-Za-z0-9_]*( (PK|FK)(, FK)?)?( "[^"\n]*")?$/;
const link = /^ {2}([A-Za-z][A-Za-z0-9_]*) [|}]o(--|\.\.)(\|\||o\|) ([A-Za-z][A-Za-z0-9_]*) : "[^"\n]*"$/;

function expectMermaid(text: string, model: DataModel): void {
  const [first, ...lines] = text.trimEnd().split('\n');
  expect(first).toBe('erDiagram');
  for (const line of lines)
    expect(line === '  }' || [entity, attribute, link].some((form) => form.test(line)), line).toBe(true);
  const entities = lines.filter((line) => entity.test(line)).map((line) => /\w+/.exec(line)?.[0] ?? '');
  expect(new Set(entities).size).toBe(model.boxes.length);
  const links = lines.map((line) => link.exec(line)).filter((found) => found !== null);
  expect(links).toHaveLength(model.references.length);
  for (const [, from, , , to] of links) expect(entities).toEqual(expect.arrayContaining([from, to]));
}

it('names that are quoted, Cyrillic, begin with a digit or are words of Mermaid are shown whole', () => {
  const model: DataModel = {
    boxes: [
      box('заказ', ['id', 'номер заказа']),
      box('Заказ', ['id', '1st']),
      box('1st "quoted" 100 %\\', ['a"b', 'c#d']),
      box('one', ['id']),
      box('table_1', ['id']),
      box('orders', ['id', 'Größe']),
    ],
    references: [reference('заказ', ['номер заказа'], 'one'), reference('one', ['id'], 'orders')],
  };
  const text = toMermaid(model);
  expectMermaid(text, model);
  for (const name of [
    '["заказ"]',
    '["Заказ"]',
    '"номер заказа"',
    '"1st"',
    '["one"]',
    '"Größe"',
    '  orders {',
  ])
    expect(text).toContain(name);
});

it('any names give a diagram that Mermaid takes, each table once', () => {
  const name = fc.oneof(
    fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' }),
    fc.constantFrom('u', 'to', 'a b', '"', '%', '\\', '№1', 'table_1', '\n'),
  );
  fc.assert(
    fc.property(
      fc.uniqueArray(
        fc.record({ table: name, columns: fc.uniqueArray(name, { minLength: 1, maxLength: 4 }) }),
        { selector: ({ table }) => table, minLength: 1, maxLength: 6 },
      ),
      (tables) => {
        const model = {
          boxes: tables.map(({ table, columns }) => box(table, columns)),
          references: tables
            .slice(1)
            .map(({ table, columns }) => reference(table, columns.slice(0, 1), tables[0]?.table ?? '')),
        };
        expectMermaid(toMermaid(model), model);
      },
    ),
    { numRuns: Number(process.env['SQLTRAIL_PROPERTY_RUNS'] ?? 100) },
  );
});

it('Graphviz draws quotation marks, backslashes and markup in names', async () => {
  const model: DataModel = {
    boxes: [box('a "b" \\', ['c "d" \\', 'e<f>&']), box('<b>', ['id'])],
    references: [reference('a "b" \\', ['c "d" \\'], '<b>')],
  };
  expect(await toSvg(model)).toMatch(/&lt;b&gt;[\s\S]*<\/svg>/);
});
