import type { Check, CheckContext, Index, Table } from '../../check.ts';
import type { Finding } from '../../finding.ts';
import { bytesText, count, literal } from '../shared.ts';

/** Index statistics younger than this say nothing of what is unused (a month-end report); as peers do. Seconds. */
const LEAST_STATISTICS_AGE = 7 * 86_400;
const LEAST_BYTES = 1_000_000;

const keysOf = (index: Index) =>
  JSON.stringify([index.method, index.columns, index.predicate, index.included]);

/** Expression indexes are compared by their whole definition, without the name. */
const bodyOf = ({ definition }: Index) => definition.replace(/^CREATE (UNIQUE )?INDEX .+? ON /, '');

const dropFix = (context: CheckContext, table: Table, index: Index) => ({
  summary: `drop ${index.name}`,
  sql: [`DROP INDEX CONCURRENTLY ${context.session.quote(table.schema, index.name)}`],
  undo: [index.definition.replace(/INDEX /, 'INDEX CONCURRENTLY ')],
  lock: 'SHARE UPDATE EXCLUSIVE; reads and writes go on',
  risk: 'A statement that was not seen in the window may have used it; building it again takes a scan of the table.',
  expectedEffect: `${bytesText(index.bytes)} less on disk and in cache, and one index entry less at each write`,
});

function finding(
  context: CheckContext,
  kind: string,
  table: Table,
  index: Index,
  say: {
    title: string;
    explanation: string;
    severity: Finding['severity'];
    level: number;
    how: string;
    fix?: boolean;
  },
): Finding {
  return {
    id: `${kind}:${table.schema}.${index.name}`,
    check: kind,
    severity: say.severity,
    title: say.title,
    explanation: say.explanation,
    cause: 'redundant-data',
    objects: [
      {
        schema: table.schema,
        table: table.name,
        columns: index.columns.filter((column) => column !== null),
        index: index.name,
      },
    ],
    statements: [],
    evidence: [
      {
        label: 'size of the index',
        value: index.bytes,
        unit: 'By',
        how: `SELECT pg_relation_size(${literal(context.session.quote(table.schema, index.name))})`,
      },
      { label: 'scans since the statistics began', value: index.scans, unit: '1', how: say.how },
    ],
    cost: { bytes: index.bytes },
    confidence: { level: say.level, basis: 'statistics' },
    explains: { kpis: ['database-size', 'cache-hit-ratio'], traces: [] },
    ...(say.fix === false ? {} : { fix: dropFix(context, table, index) }),
  };
}

export const unusedIndex: Check = {
  id: 'unused-index',
  group: 'indexes',
  title: 'Unused indexes',
  description:
    'Indexes that no statement has used since the statistics began, at least seven days ago, and that back no constraint.',
  async *run(context) {
    const how = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = '…'";
    const [row] = await context.session.query<{ age: number | null; replica: boolean }>(
      `SELECT extract(epoch FROM now() - coalesce(stats_reset, pg_postmaster_start_time()))::float8 AS age
         FROM pg_stat_database WHERE datname = current_database()`,
    );
    if (!row?.age || row.age < LEAST_STATISTICS_AGE) {
      context.blind({
        what: 'unused indexes',
        remedy: `The statistics are ${((row?.age ?? 0) / 86_400).toFixed(1)} days old; after seven days an index without a scan counts as unused.`,
      });
      return;
    }
    for (const table of context.tables)
      for (const index of table.indexes)
        if (
          index.scans === 0 &&
          !index.unique &&
          !index.constraint &&
          index.valid &&
          index.bytes >= LEAST_BYTES
        )
          yield finding(context, 'unused-index', table, index, {
            title: `${index.name} on ${table.name} is never used`,
            explanation: `In ${(row.age / 86_400).toFixed(0)} days no statement used it${context.capabilities.isReplica ? ' on this replica; look at the primary as well' : '; look at replicas as well'}. It costs ${bytesText(index.bytes)} and work at each write.`,
            severity: 'warning',
            level: 0.8,
            how,
          });
  },
};

export const duplicateIndex: Check = {
  id: 'duplicate-index',
  group: 'indexes',
  title: 'Duplicate and prefix indexes',
  description:
    'Indexes whose work another index of the same table does: the same keys, or a longer one that begins with them.',
  async *run(context) {
    for (const table of context.tables) {
      const given = new Set<string>();
      for (const index of table.indexes) {
        if (!index.valid || index.constraint || index.primary) continue;
        const twin = table.indexes.find((other) => {
          if (other === index || given.has(other.name) || !other.valid) return false;
          if (index.unique && !other.unique) return false;
          if (index.columns.includes(null) || other.columns.includes(null))
            return bodyOf(index) === bodyOf(other);
          if (keysOf(other) === keysOf(index)) return bodyOf(index) === bodyOf(other) || other.unique;
          return (
            !index.unique &&
            index.method === 'btree' &&
            other.method === 'btree' &&
            index.predicate === other.predicate &&
            index.included.length === 0 &&
            index.columns.length < other.columns.length &&
            index.columns.every((column, at) => column === other.columns[at]) &&
            // Another order, collation or operator class makes it another index.
            !/ (DESC|COLLATE|NULLS|\w+_ops)\b/.test(`${index.definition} ${other.definition}`)
          );
        });
        if (!twin) continue;
        given.add(index.name);
        const same = twin.columns.length === index.columns.length;
        yield finding(context, 'duplicate-index', table, index, {
          title: `${index.name} on ${table.name} ${same ? 'does the same as' : 'is the beginning of'} ${twin.name}`,
          explanation: `${twin.name} serves every statement that ${index.name} serves. The copy costs ${bytesText(index.bytes)} and work at each write.`,
          severity: index.bytes >= LEAST_BYTES ? 'warning' : 'info',
          level: same ? 1 : 0.9,
          how: `pg_get_indexdef: ${index.definition}; ${twin.definition}`,
        });
      }
    }
  },
};

export const invalidIndex: Check = {
  id: 'invalid-index',
  group: 'indexes',
  title: 'Invalid indexes',
  description:
    'Indexes that a failed CREATE INDEX CONCURRENTLY left: written at each change, used by nobody.',
  async *run(context) {
    const building = await context.session
      .query<{ oid: number }>('SELECT index_relid::int8::float8 AS oid FROM pg_stat_progress_create_index')
      .catch(() => []);
    if (building.length > 0) return;
    for (const table of context.tables)
      for (const index of table.indexes)
        if (!index.valid && table.kind !== 'partitioned')
          yield finding(context, 'invalid-index', table, index, {
            title: `${index.name} on ${table.name} is invalid`,
            explanation:
              'A concurrent build did not finish. The index is written at each change but no statement can use it, and CREATE INDEX IF NOT EXISTS takes it for a good one.',
            severity: 'warning',
            level: 1,
            how: 'SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid',
          });
  },
};

/** B-tree pages are filled to 90 % when built, and about 70 % after random inserts; half of that is bloat. */
const BLOAT_FACTOR = 2;
const LEAST_BLOAT_BYTES = 50_000_000;

export const bloatedIndex: Check = {
  id: 'bloated-index',
  group: 'indexes',
  title: 'Bloated indexes',
  description:
    'B-tree indexes much larger than their entries need, by pgstattuple where it is there, otherwise by statistics.',
  async *run(context) {
    for (const table of context.tables)
      for (const index of table.indexes) {
        if (
          index.method !== 'btree' ||
          index.columns.includes(null) ||
          index.predicate ||
          index.bytes < LEAST_BLOAT_BYTES
        )
          continue;
        const widths = index.columns.map(
          (column) => table.columns.find(({ name }) => name === column)?.stats?.averageWidth,
        );
        if (widths.some((width) => width === undefined) || table.estimatedRows < 0) continue;
        const width = widths.reduce<number>((sum, value) => sum + (value ?? 0), 0);
        const expected = (table.estimatedRows * (16 + Math.ceil(width / 8) * 8)) / 0.7;
        if (index.bytes < expected * BLOAT_FACTOR) continue;
        yield {
          ...finding(context, 'bloated-index', table, index, {
            title: `${index.name} on ${table.name} is about ${(index.bytes / expected).toFixed(1)} times as large as it needs to be`,
            explanation: `${count(table.estimatedRows)} entries need about ${bytesText(expected)}, the index has ${bytesText(index.bytes)}.`,
            severity: 'warning',
            level: 0.6,
            how: 'rows x (16 bytes + key) / 0.7 against pg_relation_size',
            fix: false,
          }),
          cost: { bytes: Math.round(index.bytes - expected) },
          confidence: { level: 0.6, basis: 'estimate', note: 'from pg_stats; REINDEX shows the true size' },
          fix: {
            summary: `rebuild ${index.name}`,
            sql: [`REINDEX INDEX CONCURRENTLY ${context.session.quote(table.schema, index.name)}`],
            undo: [],
            lock: 'SHARE UPDATE EXCLUSIVE; reads and writes go on',
            bytes: Math.round(expected),
            risk: 'Needs the new index’s room beside the old one while it runs.',
            expectedEffect: `about ${bytesText(index.bytes - expected)} less on disk and in cache`,
          },
        };
      }
  },
};
