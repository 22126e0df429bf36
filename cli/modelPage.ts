import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { type DataModel, readModel, toMermaid, toSvg } from '../diagnosis/format/diagram.ts';
import { defaultDiagnosis } from '../diagnosis/run.ts';
import { openSession } from '../diagnosis/session.ts';
import { startPostgresIn } from '../stack/postgres.ts';

export const DOCS = path.join(import.meta.dirname, '..', 'docs');

const schemaSql = (name: string) =>
  readFile(path.join(import.meta.dirname, '..', 'sample-shop', 'schema', name), 'utf8');

const countsOf = (model: DataModel) => {
  const columns = model.boxes.flatMap((box) => box.columns);
  const count = (test: (column: (typeof columns)[number]) => boolean) => columns.filter(test).length;
  const enforced = model.references.filter((reference) => reference.enforced).length;
  return {
    tables: model.boxes.length,
    columns: columns.length,
    text: count(({ type }) => type === 'text'),
    nullable: count(({ notNull }) => !notNull),
    keyless: model.boxes.filter((box) => !box.columns.some(({ key }) => key)).length,
    enforced,
    missing: model.references.length - enforced,
    partitioned: model.boxes.filter(({ partitionKey }) => partitionKey !== null).length,
  };
};

function page(legacy: DataModel, refactored: DataModel): string {
  const [before, after] = [countsOf(legacy), countsOf(refactored)];
  const rows: [string, keyof typeof before][] = [
    ['Tables', 'tables'],
    ['Columns', 'columns'],
    ['of these, text', 'text'],
    ['of these, may be NULL', 'nullable'],
    ['Tables without a primary key', 'keyless'],
    ['References that the database enforces', 'enforced'],
    ['References by name only', 'missing'],
    ['Tables partitioned by time', 'partitioned'],
  ];
  return `# The two data models

\`npm run docs\` generates this page and its diagrams from the catalogue (\`pg_catalog\`) of a database with \`sample-shop/schema/legacy.sql\` and \`refactored.sql\`; a test checks that they are up to date. To draw your own database, run \`npm run sqltrail -- schema postgres://reader@host/db --schema public --format svg --output schema.svg\`.

|                                       | legacy | refactored |
| ------------------------------------- | -----: | ---------: |
${rows.map(([label, key]) => `| ${label.padEnd(37)} | ${String(before[key]).padStart(6)} | ${String(after[key]).padStart(10)} |`).join('\n')}

Bold: primary key. ∅: may be NULL. Crow's foot: many rows; two bars: exactly one; bar and circle: one or none. Dashed: a column is named after another table, but no foreign key declares the reference. Green: partitioned by month; the partitions are not drawn.

## Legacy

![The legacy model](models/legacy.svg)

## Refactored

The buyer, address and goods of each order are kept as they were in \`contacts\`, \`addresses\` and \`product_versions\`, whose rows never change; prices at the time of sale are in the order lines. The comments in \`sample-shop/schema/refactored.sql\` give the reasons; [medium-term.md](medium-term.md) describes the migration.

![The refactored model](models/refactored.svg)

## As Mermaid

### Legacy

\`\`\`mermaid
${toMermaid(legacy)}\`\`\`

### Refactored

\`\`\`mermaid
${toMermaid(refactored)}\`\`\`
`;
}

/** The files of the docs, by their path below docs/. `url` is the owner of an empty database, which gets both schemas. */
export async function modelPages(url: string): Promise<Map<string, string>> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    for (const file of ['legacy.sql', 'refactored.sql']) await client.query(await schemaSql(file));
  } finally {
    await client.end();
  }
  const session = await openSession({ ...defaultDiagnosis, url, dutyCycle: 1 });
  try {
    const [legacy, refactored] = [await readModel(session, 'public'), await readModel(session, 'shop')];
    return new Map([
      ['models.md', page(legacy, refactored)],
      ['models/legacy.svg', await toSvg(legacy)],
      ['models/refactored.svg', await toSvg(refactored)],
    ]);
  } finally {
    await session.close();
  }
}

if (process.argv[1] === import.meta.filename) {
  const dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-models-'));
  const server = await startPostgresIn(dir, { password: 'docs-only' });
  try {
    for (const [name, text] of await modelPages(server.url())) {
      await mkdir(path.dirname(path.join(DOCS, name)), { recursive: true });
      await writeFile(path.join(DOCS, name), text);
    }
  } finally {
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  }
}
