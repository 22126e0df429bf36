import { literal, quote } from '../../lib/pg/quote.ts';

/**
 * SQL for a `db/schema.rb` of Rails: tables, columns, indexes, foreign keys and views, in the form that Rails' own
 * dumper writes. Functions that defaults call are not in such a file: they have to be made before.
 */
const types: Record<string, string> = {
  string: 'character varying',
  text: 'text',
  integer: 'integer',
  bigint: 'bigint',
  boolean: 'boolean',
  float: 'double precision',
  decimal: 'numeric',
  date: 'date',
  datetime: 'timestamp(6) without time zone',
  json: 'json',
  jsonb: 'jsonb',
  inet: 'inet',
  uuid: 'uuid',
  binary: 'bytea',
};

/** The value of an option: a string, a number, a word, an array, a block (`-> { "…" }`) or a hash. */
function option(text: string, name: string): string | undefined {
  const match = new RegExp(
    `[ ,]${name}: (?:-> \\{ "(.*?)" \\}|"((?:[^"\\\\]|\\\\.)*)"|(\\[[^\\]]*\\]|\\{[^}]*\\}|[^,\\s]+))`,
  ).exec(text);
  return match?.[1] ?? match?.[2]?.replace(/\\(.)/g, '$1') ?? match?.[3];
}

function defaultOf(text: string, array: boolean): string {
  const value = option(text, 'default');
  if (value === undefined || value === 'nil') return '';
  if (text.includes('default: ->')) return ` DEFAULT ${value}`;
  if (array) return " DEFAULT '{}'";
  if (value === '{}') return " DEFAULT '{}'";
  return ` DEFAULT ${literal(value)}`;
}

function column(type: string, name: string, rest: string): string {
  const array = option(rest, 'array') === 'true';
  const limit = option(rest, 'limit');
  const base = type === 'string' && limit ? `character varying(${limit})` : types[type];
  if (!base) throw new Error(`no SQL type for t.${type}`);
  return `${quote(name)} ${base}${array ? '[]' : ''}${defaultOf(rest, array)}${option(rest, 'null') === 'false' ? ' NOT NULL' : ''}`;
}

function index(table: string, line: string): string {
  const [, list = '', expression = ''] = /t\.index (?:\[(.*?)\]|"((?:[^"\\]|\\.)*)")/.exec(line) ?? [];
  const order = option(line, 'order') ?? '';
  const opclass = option(line, 'opclass') ?? '';
  const of = (options: string, name: string) =>
    options.startsWith('{')
      ? new RegExp(`${name}: :?"?(.*?)"?(?:,| }|}|$)`).exec(options)?.[1]
      : options.replace(/^:/, '');
  const columns = expression
    ? expression.replace(/\\(.)/g, '$1')
    : [...list.matchAll(/"(.*?)"/g)]
        .map(([, name = '']) =>
          [quote(name), of(opclass, name), of(order, name)?.replaceAll('"', '')].filter(Boolean).join(' '),
        )
        .join(', ');
  const where = option(line, 'where');
  const using = option(line, 'using')?.replace(':', '') ?? 'btree';
  return `CREATE ${option(line, 'unique') === 'true' ? 'UNIQUE ' : ''}INDEX ${quote(option(line, 'name') ?? '')} ON ${quote(table)} USING ${using} (${columns})${where ? ` WHERE ${where}` : ''};`;
}

/** `accounts` gives `account`, `statuses` gives `status`, `identities` gives `identity`. */
const singular = (table: string) =>
  table
    .replace(/ies$/, 'y')
    .replace(/(ss|us|ch|sh|x)es$/, '$1')
    .replace(/([^su])s$/, '$1');

export function sqlOfRailsSchema(ruby: string): string {
  const statements: string[] = [];
  const keys: string[] = [];
  for (const [, table = '', options = '', body = ''] of ruby.matchAll(
    /^ {2}create_table "(.*?)"(.*?) do \|t\|\n([\s\S]*?)^ {2}end$/gm,
  )) {
    const columns: string[] = [];
    const indexes: string[] = [];
    const composite = option(options, 'primary_key');
    if (option(options, 'id') !== 'false' && !composite?.startsWith('['))
      columns.push(
        `${quote(composite ?? 'id')} ${options.includes('default: ->') ? `bigint${defaultOf(options, false)}` : option(options, 'id') === ':uuid' ? 'uuid' : 'bigserial'} PRIMARY KEY`,
      );
    for (const line of body.split('\n')) {
      const [, type = '', name = '', rest = ''] = /^ {4}t\.(\w+) "(.*?)"(.*)$/.exec(line) ?? [];
      if (/^ {4}t\.index /.test(line)) indexes.push(index(table, line));
      else if (type) columns.push(column(type, name, rest));
    }
    if (composite?.startsWith('[')) columns.push(`PRIMARY KEY (${composite.slice(1, -1)})`);
    statements.push(`CREATE TABLE ${quote(table)} (${columns.join(', ')});`, ...indexes);
  }
  for (const [, child = '', parent = '', rest = ''] of ruby.matchAll(
    /^ {2}add_foreign_key "(.*?)", "(.*?)"(.*)$/gm,
  )) {
    const from = option(rest, 'column') ?? `${singular(parent)}_id`;
    const action = { ':cascade': ' ON DELETE CASCADE', ':nullify': ' ON DELETE SET NULL' }[
      option(rest, 'on_delete') ?? ''
    ];
    keys.push(
      `ALTER TABLE ${quote(child)} ADD FOREIGN KEY (${quote(from)}) REFERENCES ${quote(parent)}${action ?? ''};`,
    );
  }
  const views = [
    ...ruby.matchAll(
      /^ {2}create_view "(.*?)"(.*?)sql_definition: <<-SQL\n([\s\S]*?)^ {2}SQL$([\s\S]*?)(?=^ {2}create_view|^end)/gm,
    ),
  ].map(
    ([, name = '', options = '', sql = '', after = '']) =>
      `CREATE ${options.includes('materialized: true') ? 'MATERIALIZED ' : ''}VIEW ${quote(name)} AS ${sql.replace(/;\s*$/, '')};\n${[
        ...after.matchAll(/^ {2}add_index "(.*?)", (.*)$/gm),
      ]
        .map(([, table = '', line = '']) => index(table, `t.index ${line}`))
        .join('\n')}`,
  );
  return [...statements, ...keys, ...views].join('\n');
}
