import type { Check } from '../../check.ts';
import { referenceTo } from '../../workload.ts';
import { rewrite, tablesOf } from './about.ts';

/** A statement below this many calls of the same kind in one request is no N+1. */
const MIN_REPEATS = 5;

export const check: Check = {
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
    for (const { summary, route: seen, repeats, traceId, totalMs } of repeated) {
      if (repeats < MIN_REPEATS) continue;
      const route = seen ?? 'a request';
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
        statements:
          matching.length > 0
            ? matching.slice(0, 5).map(referenceTo)
            : [{ queryid: null, summary, fingerprint: null }],
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
          ...(seen === null ? {} : { route: seen }),
        },
        fix: rewrite(
          'fetch all rows with one join, or = ANY(array of keys)',
          `${repeats} round trips become one`,
        ),
      };
    }
  },
};
