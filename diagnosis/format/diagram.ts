import { readTables } from '../catalogue.ts';
import { singular } from '../checks/model/referenceNames.ts';
import type { Session } from '../readSession.ts';
import type { Table } from '../relations.ts';

/** A table as a diagram shows it. */
export interface Box {
  schema: string;
  name: string;
  columns: { name: string; type: string; notNull: boolean; key: boolean }[];
  /** `RANGE (placed_at)`; null when it is not partitioned. */
  partitionKey: string | null;
  partitions: number;
}

/** From the columns of one table to another. */
export interface Reference {
  from: string;
  columns: string[];
  to: string;
  /** False: the column is named after the other table, and nothing in the database says or checks it. */
  enforced: boolean;
  /** Each row refers to one. */
  required: boolean;
  /** At most one row refers to a row. */
  unique: boolean;
}

/** A data model as the catalogue has it. */
export interface DataModel {
  boxes: Box[];
  references: Reference[];
}

const SHORT_TYPES: [RegExp, string][] = [
  [/^timestamp(\(\d\))? with time zone/, 'timestamptz'],
  [/^timestamp(\(\d\))? without time zone/, 'timestamp'],
  [/^character varying/, 'varchar'],
  [/^character/, 'char'],
  [/^double precision/, 'float8'],
];
const shortType = (type: string) =>
  SHORT_TYPES.reduce((text, [long, short]) => text.replace(long, short), type).replaceAll(', ', ',');

const keyOf = ({ schema, name }: Pick<Table, 'schema' | 'name'>) => `${schema}.${name}`;
const refersTo = (table: Table, other: Table) =>
  table.foreignKeys.some(
    ({ referenced }) => referenced.schema === other.schema && referenced.table === other.name,
  );

/** Columns that are named after a table of the same schema, with no reference between the two. */
function impliedReferences(table: Table, tables: readonly Table[]): Reference[] {
  return table.columns.flatMap(({ name, notNull }): Reference[] => {
    const other = tables.find(
      (each) => each.schema === table.schema && each !== table && name === `${singular(each.name)}_id`,
    );
    if (!other || refersTo(table, other) || refersTo(other, table)) return [];
    return [
      {
        from: keyOf(table),
        columns: [name],
        to: keyOf(other),
        enforced: false,
        required: notNull,
        unique: false,
      },
    ];
  });
}

/**
 * Tables of a schema with their columns, keys, references and partitions, from pg_catalog. Partitions are counted and
 * not shown. Sorted by name, so that the same model always gives the same text.
 */
export async function readModel(session: Session, schema: string): Promise<DataModel> {
  const tables = (await readTables(session)).filter(
    (table) => table.schema === schema && (table.kind === 'table' || table.kind === 'partitioned'),
  );
  const partitioned = await session.query<{ oid: number; key: string; partitions: number }>(
    `SELECT c.oid::int8::float8 AS oid, pg_get_partkeydef(c.oid) AS key,
            (SELECT count(*)::int FROM pg_inherits WHERE inhparent = c.oid) AS partitions
       FROM pg_class c WHERE c.relkind = 'p'`,
  );
  const boxes = tables.map((table): Box => {
    const split = partitioned.find(({ oid }) => oid === table.oid);
    return {
      schema: table.schema,
      name: table.name,
      columns: table.columns.map(({ name, type, notNull }) => ({
        name,
        type: shortType(type),
        notNull,
        key: table.primaryKey.includes(name),
      })),
      partitionKey: split?.key ?? null,
      partitions: split?.partitions ?? 0,
    };
  });
  const references = tables.flatMap((table) => [
    ...table.foreignKeys.map(
      ({ columns, referenced }): Reference => ({
        from: keyOf(table),
        columns,
        to: `${referenced.schema}.${referenced.table}`,
        enforced: true,
        required: columns.every((name) => table.columns.find((column) => column.name === name)?.notNull),
        unique: [table.primaryKey, ...table.uniqueKeys].some(
          (key) => key.length > 0 && key.every((name) => columns.includes(name)),
        ),
      }),
    ),
    ...impliedReferences(table, tables),
  ]);
  const order = ({ from, columns, to }: Reference) => `${from} ${columns.join()} ${to}`;
  return { boxes, references: references.sort((a, b) => (order(a) < order(b) ? -1 : 1)) };
}

/** Words of Mermaid's erDiagram, which are no names of entities. */
const MERMAID_WORDS =
  /^(erdiagram|one|many|zero|only|optionally|to|or|more|title|direction|style|class|classdef|acctitle|accdescr|pk|fk|uk|tb|bt|lr|rl|u)$/i;
const PLAIN = /^[A-Za-z][A-Za-z0-9_]*$/;

/** Text between quotation marks as Mermaid reads it: its own escapes for what would end or change it. */
const quoted = (text: string) =>
  `"${text.replaceAll(/["#%\\]/g, (character) => `#${character.charCodeAt(0)};`).replaceAll(/[\r\n]+/g, ' ')}"`;

/** A word that Mermaid takes for an attribute or its type. */
function wordOf(text: string, otherwise: string): string {
  const word = text.replaceAll(/[^A-Za-z0-9_]+/g, '_').replace(/_$/, '');
  return /[A-Za-z0-9]/.test(word) ? word.replace(/^(?=\d)/, '_') : otherwise;
}

/** Mermaid's erDiagram; dashed lines are references that nothing enforces. */
export function toMermaid({ boxes, references }: DataModel): string {
  // A name that is no word of Mermaid is shown beside one that is.
  const plain = new Set(
    boxes.map(({ name }) => name).filter((name) => PLAIN.test(name) && !MERMAID_WORDS.test(name)),
  );
  const entities = new Map<string, string>();
  const entityOf = (key: string) => {
    const name = key.slice(key.indexOf('.') + 1);
    const known = plain.has(name) ? name : entities.get(name);
    if (known !== undefined) return known;
    let number = entities.size + 1;
    while (plain.has(`table_${number}`) || [...entities.values()].includes(`table_${number}`)) number += 1;
    entities.set(name, `table_${number}`);
    return `table_${number}`;
  };
  const foreign = (box: Box, column: string) =>
    references.some(
      ({ from, columns, enforced }) => enforced && from === keyOf(box) && columns.includes(column),
    );
  const lines = boxes.map((box) => {
    const columns = box.columns.map(({ name, type, notNull, key }, at) => {
      const keys = [key ? 'PK' : '', foreign(box, name) ? 'FK' : ''].filter((each) => each !== '').join(', ');
      const word = wordOf(name, `column_${at + 1}`);
      const remark = [word === name ? '' : name, notNull ? '' : 'may be NULL'].filter(Boolean).join(', ');
      return `    ${wordOf(type, 'type')} ${word}${keys ? ` ${keys}` : ''}${remark ? ` ${quoted(remark)}` : ''}`;
    });
    const entity = entityOf(keyOf(box));
    const label = entity === box.name ? '' : `[${quoted(box.name)}]`;
    return `  ${entity}${label} {\n${columns.join('\n')}\n  }`;
  });
  const links = references.map(
    ({ from, to, columns, enforced, required, unique }) =>
      `  ${entityOf(from)} ${unique ? '|o' : '}o'}${enforced ? '--' : '..'}${required ? '||' : 'o|'} ${entityOf(to)} : ${quoted(columns.join(', '))}`,
  );
  return `erDiagram\n${[...lines, ...links].join('\n')}\n`;
}

const escapeXml = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** Okabe and Ito's colours, as in the charts. */
const colours = { head: '#0072B2', split: '#009E73', missing: '#D55E00', line: '#444444', rule: '#BBBBBB' };

/** A name in Graphviz's own quotation marks. */
const dotId = (name: string) => `"${name.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;

/** All text is monospaced: its width is the same in every viewer, whatever fonts it has. */
function toDot({ boxes, references }: DataModel): string {
  const node = (box: Box) => {
    const head = box.partitionKey ? colours.split : colours.head;
    const rows = box.columns.map(
      ({ name, type, notNull, key }) =>
        `<TR><TD ALIGN="LEFT" PORT="${escapeXml(name)}">${key ? `<B>${escapeXml(name)}</B>` : escapeXml(name)}</TD><TD ALIGN="LEFT"><FONT COLOR="#555555">${escapeXml(type)}${notNull ? '' : ' ∅'}</FONT></TD></TR>`,
    );
    const split = box.partitionKey
      ? `<TR><TD COLSPAN="2" ALIGN="LEFT"><FONT COLOR="${colours.split}">partitions by ${escapeXml(box.partitionKey)}</FONT></TD></TR>`
      : '';
    return `${dotId(keyOf(box))} [label=<<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="0" CELLPADDING="4" COLOR="${colours.rule}"><TR><TD COLSPAN="2" BGCOLOR="${head}"><FONT COLOR="white"><B>${escapeXml(box.name)}</B></FONT></TD></TR>${split}${rows.join('')}</TABLE>>];`;
  };
  const edge = ({ from, to, columns, enforced, required }: Reference) =>
    `${dotId(from)}:${dotId(columns[0] ?? '')} -> ${dotId(to)} [${[
      `color="${enforced ? colours.line : colours.missing}"`,
      `style=${enforced ? 'solid' : 'dashed'}`,
      'dir=both arrowtail=crow',
      `arrowhead=${required ? 'teetee' : 'teeodot'}`,
    ].join(' ')}];`;
  return `digraph model {
  graph [rankdir=RL nodesep=0.35 ranksep=1.1 bgcolor="white" pad=0.3];
  node [shape=plain fontname="Courier" fontsize=11];
  edge [arrowsize=0.8 penwidth=1.2];
  ${boxes.map(node).join('\n  ')}
  ${references.map(edge).join('\n  ')}
}`;
}

/** The diagram as SVG, laid out by Graphviz. Bold: primary key. ∅: may be NULL. Dashed: not enforced. */
export async function toSvg(model: DataModel): Promise<string> {
  // Heavy, and needed for this only.
  const { instance } = await import('@viz-js/viz');
  const graphviz = await instance();
  return graphviz.renderString(toDot(model), { format: 'svg', engine: 'dot' });
}
