import type { Check, CheckContext, Table } from '../../check.ts';
import type { Finding } from '../../finding.ts';
import { tableOf, type WorkloadEntry } from '../../workload.ts';
import { bytesText, count, indexName, mutableCasts } from '../shared.ts';
import {
  costOf,
  matters,
  rowsPerCall,
  rowWidth,
  severityOf,
  statementEvidence,
  withoutStatements,
} from './shared.ts';

const CUSTOMER_KPIS = ['statement-latency-p95', 'customer-latency-p95', 'database-time-share'];

function tablesOf(context: CheckContext, entry: WorkloadEntry): Table[] {
  const tables = (entry.shape?.tables ?? []).map(({ table, schema }) =>
    tableOf(context.tables, table, schema),
  );
  return [...new Set(tables.filter((table) => table !== undefined))];
}

const largest = (tables: Table[]) =>
  tables.reduce<Table | undefined>((a, b) => (a && a.estimatedRows >= b.estimatedRows ? a : b), undefined);

interface Said {
  title: string;
  explanation: string;
  table: Table;
  columns?: string[];
  cause?: Finding['cause'];
  severity?: Finding['severity'];
  level: number;
  basis?: Finding['confidence']['basis'];
  note?: string;
  kpis?: string[];
  fix?: Finding['fix'];
}

/** One finding about one statement. */
function about(id: string, entry: WorkloadEntry, said: Said): Finding {
  const { table, columns } = said;
  return {
    id: `${id}:${table.schema}.${table.name}(${(columns ?? []).join(',')})`,
    check: id,
    severity: said.severity ?? severityOf(entry),
    title: said.title,
    explanation: said.explanation,
    cause: said.cause ?? 'inefficient-query',
    objects: [{ schema: table.schema, table: table.name, ...(columns ? { columns } : {}) }],
    statements: [entry.statement.queryid],
    evidence: statementEvidence(entry),
    cost: costOf(entry),
    confidence: {
      level: said.level,
      basis: said.basis ?? 'statistics',
      ...(said.note ? { note: said.note } : {}),
    },
    explains: { kpis: said.kpis ?? CUSTOMER_KPIS, traces: [] },
    ...(said.fix ? { fix: said.fix } : {}),
  };
}

/** Collects findings about statements; those with the same id are one cause, and their costs add up. */
function merger() {
  const found = new Map<string, Finding>();
  const merge = (finding: Finding) => {
    const known = found.get(finding.id);
    if (!known) {
      found.set(finding.id, finding);
      return;
    }
    known.statements.push(...finding.statements);
    known.evidence.push(...finding.evidence);
    if (finding.severity === 'critical') known.severity = 'critical';
    const [calls, more] = [known.cost.calls ?? 0, finding.cost.calls ?? 0];
    const read = (known.cost.rowsReadPerRow ?? 0) * calls + (finding.cost.rowsReadPerRow ?? 0) * more;
    known.cost = {
      calls: calls + more,
      ...(known.cost.msPerSecond === undefined
        ? {}
        : { msPerSecond: known.cost.msPerSecond + (finding.cost.msPerSecond ?? 0) }),
      ...(read > 0 ? { rowsReadPerRow: read / Math.max(1, calls + more) } : {}),
    };
  };
  merge.all = () => [...found.values()];
  return merge;
}

const rewrite = (
  summary: string,
  expectedEffect: string,
  sql: string[] = [],
): NonNullable<Finding['fix']> => ({
  summary,
  sql,
  undo: [],
  lock: 'none: the application’s statement changes',
  risk: 'The new statement must give the same rows; compare both on real data first.',
  expectedEffect,
});

export const offsetPaging: Check = {
  id: 'offset-paging',
  group: 'queries',
  title: 'OFFSET paging',
  description: 'Pages fetched with OFFSET: all rows before the page are read, sorted and thrown away.',
  async *run(context) {
    if (withoutStatements(context, 'paging by OFFSET')) return;
    const merge = merger();
    for (const entry of await context.workload()) {
      if (!entry.shape?.offset || !matters(entry)) continue;
      const table = largest(tablesOf(context, entry));
      if (!table || table.estimatedRows < 1_000) continue;
      const order = entry.shape.tables.flatMap(({ order: columns }) => columns.map(({ column }) => column));
      merge(
        about('offset-paging', entry, {
          table,
          ...(order.length > 0 ? { columns: order } : {}),
          title: `Pages of ${table.name} are fetched with OFFSET`,
          explanation: `Each page reads and sorts everything before it${entry.rowsReadPerCall ? `: about ${count(entry.rowsReadPerCall)} rows for the ${Math.max(1, Math.round(rowsPerCall(entry)))} that are shown` : ''}. Later pages cost more than the first.`,
          level: 0.95,
          fix: rewrite(
            `keyset paging: WHERE (${order[0] ?? 'sort key'}, id) < (last seen) ORDER BY … LIMIT n, with an index in that order`,
            'the cost of a page no longer depends on its number',
          ),
        }),
      );
    }
    yield* merge.all();
  },
};

export const patternSearch: Check = {
  id: 'leading-wildcard',
  group: 'queries',
  title: 'Searches by pattern that no index can serve',
  description:
    'LIKE, ILIKE and regular expressions whose pattern begins with a wildcard, or is a parameter, on columns that are read whole.',
  async *run(context) {
    if (withoutStatements(context, 'searches by pattern')) return;
    const merge = merger();
    const trigram = context.tables
      .flatMap(({ indexes }) => indexes)
      .some(({ definition }) => /gi[ns]t_trgm_ops/.test(definition));
    for (const entry of await context.workload()) {
      if (!matters(entry)) continue;
      for (const use of entry.shape?.tables ?? []) {
        const table = tableOf(context.tables, use.table, use.schema);
        const scan = entry.scans.find(({ alias, sequential }) => alias === use.alias && sequential);
        const patterns = use.pattern.filter(({ anchored }) => !anchored);
        if (!table || !scan || patterns.length === 0 || table.estimatedRows < 500) continue;
        const columns = [...new Set(patterns.map(({ column }) => column))];
        const target = context.session.quote(table.schema, table.name);
        const name = indexName(table, columns, 'trgm_idx');
        const list = columns.map((column) => `${context.session.quote(column)} gin_trgm_ops`).join(', ');
        merge(
          about('leading-wildcard', entry, {
            table,
            columns,
            title: `Search in ${table.name} (${columns.join(', ')}) reads every row`,
            explanation: `A pattern that may begin with a wildcard cannot use a B-tree, so each search compares all ${count(table.estimatedRows)} rows${trigram ? ', although the database has trigram indexes elsewhere' : ''}.`,
            level: patterns.every(({ parameter }) => parameter) ? 0.8 : 0.95,
            note: 'The pattern itself is a parameter and is not seen; the plan shows that every row is read.',
            fix: {
              summary: `trigram index on ${columns.join(', ')}`,
              sql: [
                'CREATE EXTENSION IF NOT EXISTS pg_trgm',
                `CREATE INDEX CONCURRENTLY ${context.session.quote(name)} ON ${target} USING gin (${list})`,
              ],
              undo: [`DROP INDEX CONCURRENTLY IF EXISTS ${context.session.quote(table.schema, name)}`],
              lock: 'SHARE UPDATE EXCLUSIVE while it is built; reads and writes go on',
              risk: 'A GIN index makes changes of these columns slower; patterns below three characters still read all.',
              expectedEffect: 'a search reads the rows that hold the pattern’s trigrams instead of all',
            },
          }),
        );
      }
    }
    yield* merge.all();
  },
};

export const nonSargable: Check = {
  id: 'cast-defeats-index',
  group: 'queries',
  title: 'Casts and functions that no index can serve',
  description:
    'Conditions and sort orders on a cast or a function of a column: a plain index on the column does not help, and a cast that depends on settings cannot even be indexed.',
  async *run(context) {
    if (withoutStatements(context, 'casts that defeat an index')) return;
    const merge = merger();
    for (const entry of await context.workload()) {
      if (!matters(entry)) continue;
      for (const use of entry.shape?.tables ?? []) {
        const table = tableOf(context.tables, use.table, use.schema);
        const scan = entry.scans.find(({ alias, sequential }) => alias === use.alias && sequential);
        if (!table || !scan || table.estimatedRows < 1_000) continue;
        const wrapped = [...use.equal, ...use.range].filter(
          ({ wrapped: around, join }) => around !== null && !join && mutableCasts.test(around),
        );
        const columns = [...new Set(wrapped.map(({ column }) => column))];
        if (columns.length === 0) continue;
        const expressions = [
          ...new Set(
            wrapped.map(({ wrapped: around, column }) => String(around).replaceAll('%', () => column)),
          ),
        ];
        const types = columns.map((column) => table.columns.find(({ name }) => name === column)?.type);
        merge(
          about('cast-defeats-index', entry, {
            table,
            columns,
            title: `${expressions.join(', ')} on ${table.name} cannot use an index on ${columns.join(', ')}`,
            explanation: `The condition is on ${expressions.join(' and ')}, computed for all ${count(table.estimatedRows)} rows at each call. ${types.includes('text') && /::/.test(expressions.join()) ? 'The column is text; with its true type the condition would be on the column itself.' : 'An index on the same expression, or a condition on the bare column, would serve.'}`,
            level: 0.9,
            fix: rewrite(
              `compare ${columns.join(', ')} itself: give it its true type, or index the expression`,
              'the condition can be answered by an index',
            ),
          }),
        );
      }
    }
    yield* merge.all();
  },
};

/** Rows narrower than this cost the network little. Bytes. */
const WIDE_ROW = 200;

export const selectStar: Check = {
  id: 'select-star',
  group: 'queries',
  title: 'SELECT * of wide rows',
  description: 'All columns of a wide table are fetched; the bytes are read, sent and parsed at each call.',
  async *run(context) {
    if (withoutStatements(context, 'SELECT * of wide rows')) return;
    const byTable = new Map<Table, { entries: WorkloadEntry[]; bytes: number }>();
    for (const entry of await context.workload())
      for (const use of entry.shape?.operation === 'SELECT' ? entry.shape.tables : []) {
        const table = use.star ? tableOf(context.tables, use.table, use.schema) : undefined;
        if (!table || rowWidth(table) < WIDE_ROW || entry.statement.calls < 10) continue;
        const group = byTable.get(table) ?? { entries: [], bytes: 0 };
        group.entries.push(entry);
        group.bytes += entry.statement.rows * rowWidth(table);
        byTable.set(table, group);
      }
    for (const [table, { entries, bytes }] of byTable) {
      const [first] = entries;
      if (!first || bytes < 10_000_000) continue;
      const share = entries.reduce((sum, entry) => sum + entry.share, 0);
      yield {
        ...about('select-star', first, {
          table,
          title: `${entries.length === 1 ? 'A statement fetches' : `${entries.length} statements fetch`} all ${table.columns.length} columns of ${table.name}`,
          explanation: `A row of ${table.name} has ${Math.round(rowWidth(table))} bytes on average; ${bytesText(bytes)} were sent since the statistics began. An index-only scan is impossible, and a new column makes every caller slower.`,
          severity: share >= 0.02 ? 'warning' : 'info',
          level: 0.7,
          basis: 'estimate',
          kpis: ['statement-latency-p95', 'request-latency-p95'],
          fix: rewrite(
            'name the columns that are shown',
            'fewer bytes a row; narrow statements can be answered from an index alone',
          ),
        }),
        id: `select-star:${table.schema}.${table.name}`,
        statements: entries.map(({ statement }) => statement.queryid),
        cost: { calls: entries.reduce((sum, { statement }) => sum + statement.calls, 0) },
      };
    }
  },
};

const MANY_ROWS = 1_000;

export const unboundedRead: Check = {
  id: 'unbounded-read',
  group: 'queries',
  title: 'Reads without a bound',
  description: 'SELECT without LIMIT that returns a thousand rows or more a call: it grows with the data.',
  async *run(context) {
    if (withoutStatements(context, 'reads without a bound')) return;
    const merge = merger();
    for (const entry of await context.workload()) {
      if (entry.shape?.operation !== 'SELECT' || entry.shape.limit || entry.statement.calls < 5) continue;
      const table = largest(tablesOf(context, entry));
      if (!table || rowsPerCall(entry) < MANY_ROWS || !matters(entry)) continue;
      merge(
        about('unbounded-read', entry, {
          table,
          title: `A statement on ${table.name} returns ${count(rowsPerCall(entry))} rows a call, without LIMIT`,
          explanation:
            'Nothing bounds the answer, so it grows with the table, in the database, on the wire and in the application’s memory.',
          level: 0.9,
          fix: rewrite('page it, or aggregate in the database', 'the answer no longer grows with the table'),
        }),
      );
    }
    yield* merge.all();
  },
};

export const countsAll: Check = {
  id: 'counts-everything',
  group: 'queries',
  title: 'Counting at each request',
  description: 'count(*) that reads a large part of a table, called again and again.',
  async *run(context) {
    if (withoutStatements(context, 'counting at each request')) return;
    const merge = merger();
    for (const entry of await context.workload()) {
      if (!entry.shape?.countsAll || entry.statement.calls < 5 || (entry.rowsReadPerCall ?? 0) < 1_000)
        continue;
      const table = largest(tablesOf(context, entry));
      if (!table || (!matters(entry) && entry.statement.meanMs < 5)) continue;
      const { equal, pattern } = entry.shape.tables[0] ?? { equal: [], pattern: [] };
      const columns = [...new Set([...equal, ...pattern].map(({ column }) => column))];
      merge(
        about('counts-everything', entry, {
          table,
          ...(columns.length > 0 ? { columns } : {}),
          title: `${table.name} is counted at each call, ${count(entry.rowsReadPerCall ?? 0)} rows read for one number`,
          explanation:
            'Postgres has to look at each row to count it. A page that needs “is there more?” can fetch one row more than it shows; a total can be kept or be estimated.',
          level: 0.95,
          fix: rewrite(
            'fetch one row more than is shown instead of counting; keep totals where they are needed',
            'one number no longer costs a scan',
          ),
        }),
      );
    }
    yield* merge.all();
  },
};

export const aggregatesLive: Check = {
  id: 'aggregate-at-request-time',
  group: 'queries',
  title: 'Aggregates computed at request time',
  description:
    'GROUP BY over a large part of a big table for each call, where yesterday’s sums do not change any more.',
  async *run(context) {
    if (withoutStatements(context, 'aggregates at request time')) return;
    const merge = merger();
    for (const entry of await context.workload()) {
      const { shape } = entry;
      if (!shape?.aggregates || shape.countsAll || shape.operation !== 'SELECT') continue;
      const table = largest(tablesOf(context, entry));
      if (!table || (entry.rowsReadPerCall ?? 0) < 20_000 || entry.statement.meanMs < 100) continue;
      const name = context.session.quote(table.schema, `${table.name.slice(0, 50)}_daily`);
      merge(
        about('aggregate-at-request-time', entry, {
          table,
          title: `Sums over ${table.name} are computed at each call`,
          explanation: `${count(entry.rowsReadPerCall ?? 0)} rows are read for about ${count(rowsPerCall(entry))} rows of sums, although sums of closed periods no longer change.`,
          level: 0.8,
          fix: rewrite(
            `keep the sums in a table of their own (${name}) and add only what is new`,
            'a report reads its few rows of sums',
          ),
        }),
      );
    }
    yield* merge.all();
  },
};

/** A statement below this many calls of the same kind in one request is no N+1. */
const LEAST_REPEATS = 5;

export const nPlusOne: Check = {
  id: 'n-plus-one',
  group: 'queries',
  title: 'N+1: a statement for each row',
  description: 'The same statement many times below one parent span, once for each row of another answer.',
  async *run(context) {
    if (!context.spans) {
      context.blind({
        what: 'N+1 statements',
        remedy: 'Give the console’s address with --console, so that spans can be read.',
      });
      return;
    }
    const entries = await context.workload();
    const repeated = await context.spans.repeatedStatements();
    for (const { summary, route, repeats, traceId, totalMs } of repeated) {
      if (repeats < LEAST_REPEATS) continue;
      const matching = entries.filter((entry) => entry.summary === summary);
      const [entry] = matching;
      const table = entry ? tablesOf(context, entry)[0] : undefined;
      yield {
        id: `n-plus-one:${route}:${summary}`,
        check: 'n-plus-one',
        severity: totalMs >= 100 || repeats >= 20 ? 'critical' : 'warning',
        title: `${route} runs ${summary} ${repeats} times for one request`,
        explanation: `Each is a round trip to the database, one after another, while a connection is held: ${Math.round(totalMs)} ms in this request. One statement for all rows does the same.`,
        cause: 'inefficient-query',
        objects: table ? [{ schema: table.schema, table: table.name }] : [],
        statements: matching.slice(0, 5).map(({ statement }) => statement.queryid),
        evidence: [
          { label: 'calls below one parent span', value: repeats, unit: '1', how: `trace ${traceId}` },
          {
            label: 'their time in this request',
            value: Math.round(totalMs * 10) / 10,
            unit: 'ms',
            how: `trace ${traceId}`,
          },
        ],
        // The time of the calls is the statement's own; what N+1 adds is round trips, which no view counts.
        cost: entry ? { calls: entry.statement.calls } : {},
        confidence: { level: 0.95, basis: 'exact', note: 'counted in a trace' },
        explains: {
          kpis: ['queries-per-request', 'request-latency-p95', 'pool-saturation'],
          traces: [traceId],
        },
        fix: rewrite(
          'fetch all rows with one join, or = ANY(array of keys)',
          `${repeats} round trips become one`,
        ),
      };
    }
  },
};

export const statementChecks: readonly Check[] = [
  nPlusOne,
  offsetPaging,
  patternSearch,
  nonSargable,
  countsAll,
  aggregatesLive,
  unboundedRead,
  selectStar,
];
