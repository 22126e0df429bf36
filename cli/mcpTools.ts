import path from 'node:path';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { z } from 'zod';
import type { TraceReading } from '../console/details.ts';
import { readKpis } from '../console/readings.ts';
import { type Shared, shared } from '../console/shared.ts';
import { planOf, queryTextOf, statementOf } from '../console/traces/span.ts';
import { readCapabilities, readStatements } from '../diagnosis/catalogue.ts';
import { type Diagnosis, notesOf } from '../diagnosis/diagnosis.ts';
import { atLeast, type RankedFinding, severities } from '../diagnosis/finding.ts';
import { fixSql } from '../diagnosis/fixSql.ts';
import { commandsOf } from '../diagnosis/operationCommand.ts';
import { type DiagnosisOptions, defaultDiagnosis, diagnose } from '../diagnosis/run.ts';
import { openSession } from '../diagnosis/session.ts';
import { consoleSpans } from '../diagnosis/spans.ts';
import { mediumTermOf } from '../fix/mediumTerm.ts';
import { planFor } from '../fix/mitigate.ts';
import { describeStatement, loadParser } from '../instrumentation/statement.ts';
import type { Kpi } from '../kpis/kpi.ts';
import { describeError } from '../lib/errors.ts';
import { prometheusAt } from '../lib/prometheus/client.ts';
import { slowdowns } from '../watch/plans.ts';
import { readHistory } from '../watch/store.ts';

export interface McpOptions {
  /** One or more; the first is meant where none is named. */
  databases: readonly { name: string; url: string }[];
  kpis: readonly Kpi[];
  prometheusUrl: string;
  consoleUrl: string;
  /** Where `up` keeps histories of findings. */
  historyDirectory: string;
  version: string;
  signal: AbortSignal;
  /** Other than the diagnosis's own defaults. */
  diagnosis?: Partial<DiagnosisOptions> | undefined;
}

/** A diagnosis answers questions for so long, so that a conversation costs the database one. */
const KEPT_MS = 120_000;
const TIMEOUT_MS = 5_000;

const READ_ONLY = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false };

const answer = (value: unknown) => ({
  content: [{ type: 'text' as const, text: JSON.stringify(value, null, 1) }],
});

const findingLine = ({ id, severity, title, cost, shareOfLostTime, statements, fix }: RankedFinding) => ({
  id,
  severity,
  title,
  shareOfDatabaseTime: shareOfLostTime,
  cost,
  statements: statements.map(({ summary, queryid }) => summary ?? queryid),
  fix: fix?.summary ?? null,
});

/**
 * The MCP server: what sqltrail knows of the databases and services, for an assistant. Nothing of it changes anything,
 * and no answer has a value of somebody's data. What goes wrong is the tool's answer, marked as an error.
 */
export function mcpServer(options: McpOptions): McpServer {
  const { databases, kpis, prometheusUrl, consoleUrl, historyDirectory, signal, version } = options;
  const server = new McpServer({ name: 'sqltrail', version });
  const names = databases.map(({ name }) => name);
  const database = z
    .string()
    .optional()
    .describe(`One of: ${names.join(', ')}. ${names[0]} without it.`);
  const named = (name = names[0]) => {
    const found = databases.find((each) => each.name === name);
    if (!found) throw new Error(`There is no database ${name}. Databases: ${names.join(', ')}.`);
    return found;
  };

  const diagnoses = new Map<string, Shared<Diagnosis>>();
  const diagnosed = (name?: string): Promise<Diagnosis> => {
    const { name: known, url } = named(name);
    const ask =
      diagnoses.get(known) ??
      shared(async () => {
        // Traces name statements that repeat; without a console there are none.
        const reachable = await fetch(new URL('/healthz', consoleUrl), {
          signal: AbortSignal.timeout(TIMEOUT_MS),
        }).then(
          (response) => response.ok,
          () => false,
        );
        return diagnose({
          ...defaultDiagnosis,
          ...options.diagnosis,
          url,
          signal,
          ...(reachable ? { spans: consoleSpans(consoleUrl, signal) } : {}),
        });
      }, KEPT_MS);
    diagnoses.set(known, ask);
    return ask().catch((error) => {
      ask.forget();
      throw error;
    });
  };
  const askConsole = async (address: string): Promise<unknown> => {
    const target = new URL(address, consoleUrl);
    const response = await fetch(target, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    }).catch((cause) => {
      throw new Error(
        `The console does not answer at ${target.origin}: start it with sqltrail up, or give its address with --console.`,
        { cause },
      );
    });
    const body = (await response.json().catch(() => ({}))) as { detail?: string };
    if (!response.ok)
      throw new Error(body.detail ?? `The console at ${target.origin} answered ${response.status}.`);
    return body;
  };

  server.registerTool(
    'list_findings',
    {
      title: 'Findings',
      description:
        'Causes that cost a PostgreSQL database time, space or safety, the most expensive first. By default what the schedule of sqltrail up has found over time, with state (new, open, mitigated, resolved); with fresh, a read-only diagnosis now, which takes up to half a minute.',
      inputSchema: {
        database,
        fresh: z
          .boolean()
          .default(false)
          .describe('Diagnose now. It is done anyway where no history is kept.'),
        severity: z.enum(severities).default('info').describe('The least severe ones that are wanted.'),
        limit: z.int().min(1).max(200).default(30),
      },
      annotations: READ_ONLY,
    },
    async ({ database: name, fresh, severity, limit }) => {
      const { name: known } = named(name);
      const history = await readHistory(historyDirectory, known);
      const lastRun = history.runs.at(-1);
      if (!fresh && lastRun)
        return answer({
          database: known,
          source: 'the schedule',
          lastRun,
          findings: history.findings
            .filter((finding) => atLeast(finding.severity, severity))
            .slice(0, limit)
            .map(({ changes, misses: _, ...finding }) => ({ ...finding, since: changes.at(-1)?.at })),
          slowerSincePlanChanged: slowdowns(history.plans, lastRun.startedAt).filter(
            ({ ratio }) => ratio > 1,
          ),
        });
      const found = await diagnosed(name);
      const wanted = found.findings.filter((finding) => atLeast(finding.severity, severity));
      return answer({
        database: known,
        source: 'a diagnosis now',
        startedAt: found.startedAt,
        complete: !found.partial,
        notes: notesOf(found),
        total: wanted.length,
        findings: wanted.slice(0, limit).map(findingLine),
      });
    },
  );

  server.registerTool(
    'get_finding',
    {
      title: 'One finding',
      description:
        'A finding of a diagnosis now, with its explanation, evidence, statements, traces and the SQL of its fix (which is not applied).',
      inputSchema: { database, id: z.string().describe('As list_findings gives it.') },
      annotations: READ_ONLY,
    },
    async ({ database: name, id }) => {
      const found = (await diagnosed(name)).findings.find((finding) => finding.id === id);
      if (!found)
        throw new Error(
          `The diagnosis of now has no finding ${id}: it is resolved, or list_findings has its id.`,
        );
      return answer({
        ...found,
        sql: found.fix ? fixSql(found.fix).sql : [],
        commands: commandsOf(found.fix),
      });
    },
  );

  server.registerTool(
    'top_statements',
    {
      title: 'Statements by time',
      description:
        'What pg_stat_statements has counted since its reset: statements without values, the most time-consuming first.',
      inputSchema: { database, limit: z.int().min(1).max(100).default(20) },
      annotations: READ_ONLY,
    },
    async ({ database: name, limit }) => {
      const { name: known, url } = named(name);
      await loadParser();
      const session = await openSession({ ...defaultDiagnosis, dutyCycle: 1, url, signal });
      try {
        const capabilities = await readCapabilities(session);
        const { statements, windowSeconds } = await readStatements(session, capabilities);
        if (!capabilities.pgStatStatements)
          throw new Error(
            capabilities.statementsUnreadable ??
              'pg_stat_statements is not there: add it to shared_preload_libraries, restart, and CREATE EXTENSION pg_stat_statements.',
          );
        const total = statements.reduce((sum, { totalMs }) => sum + totalMs, 0);
        return answer({
          database: known,
          countedForSeconds: windowSeconds ?? null,
          statements: statements.slice(0, limit).map(({ queryid, text, calls, totalMs, meanMs, rows }) => {
            const { summary, text: sql } = describeStatement(text);
            return {
              queryid,
              summary,
              sql,
              calls,
              totalMs,
              meanMs,
              rows,
              share: total > 0 ? totalMs / total : 0,
            };
          }),
        });
      } finally {
        await session.close();
      }
    },
  );

  server.registerTool(
    'find_traces',
    {
      title: 'Traces',
      description:
        'Traces that the console keeps: slow and failed requests of the services, the newest first.',
      inputSchema: {
        statement: z.string().max(512).optional().describe('Its db.query.summary, such as SELECT orders.'),
        route: z.string().max(512).optional(),
        errors: z.boolean().optional().describe('Only those with an error, or only those without.'),
        minDurationMs: z.number().min(0).optional(),
        limit: z.int().min(1).max(100).default(20),
      },
      annotations: READ_ONLY,
    },
    async (filter) => {
      const query = new URLSearchParams(
        Object.entries(filter).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]])),
      );
      return answer(await askConsole(`/api/traces?${query}`));
    },
  );

  server.registerTool(
    'get_trace',
    {
      title: 'One trace',
      description:
        'The spans of a trace in order, with the SQL of its statements (without values) and, for slow ones, the plan.',
      inputSchema: { traceId: z.string().regex(/^[0-9a-f]{32}$/i, 'is no trace id: 32 hex digits') },
      annotations: READ_ONLY,
    },
    async ({ traceId }) => {
      const { spans, droppedSpans } = (await askConsole(`/api/traces/${traceId}`)) as TraceReading;
      const startMs = spans[0]?.startMs ?? 0;
      return answer({
        traceId,
        droppedSpans,
        spans: spans.map((span) => ({
          spanId: span.spanId,
          parentSpanId: span.parentSpanId,
          name: span.name,
          service: span.service,
          atMs: span.startMs - startMs,
          durationMs: span.durationMs,
          ...(span.error ? { error: span.statusMessage ?? true } : {}),
          ...(statementOf(span) === null
            ? {}
            : { statement: statementOf(span), sql: queryTextOf(span), plan: planOf(span) }),
        })),
      });
    },
  );

  server.registerTool(
    'kpis',
    {
      title: 'KPIs against their objectives',
      description:
        'Each KPI of the configuration now: value, unit, objective, whether it is met, and what it means.',
      annotations: READ_ONLY,
    },
    async () => {
      const readings = await readKpis(prometheusAt(prometheusUrl), kpis).catch((error: Error) => {
        throw new Error(
          `Prometheus at ${prometheusUrl}: ${describeError(error)}. Its address can be given with --prometheus.`,
          { cause: error },
        );
      });
      return answer(
        readings.map(({ id, name, unit, value, met, reason, objective, meaning, causes }) => ({
          id,
          name,
          value,
          unit,
          met,
          ...(reason ? { reason } : {}),
          objective: `${objective.comparison} ${objective.value}`,
          meaning,
          causes,
        })),
      );
    },
  );

  server.registerTool(
    'plan_fixes',
    {
      title: 'A plan of fixes',
      description:
        'What sqltrail would do about the findings of a diagnosis now, in order: SQL, way back, lock, risk; and the online migrations that findings ask for (medium term), with size, time, disk, lock and command. Nothing is applied: a person runs sqltrail fix apply, or the command of a migration, with the role that owns the tables.',
      inputSchema: { database },
      annotations: READ_ONLY,
    },
    async ({ database: name }) => {
      const { name: known, url } = named(name);
      const { findings } = await diagnosed(name);
      const actions = await planFor({ findings, readUrl: url, signal });
      return answer({
        database: known,
        applied: false,
        actions: actions.map(({ id, kind, title, reason, sql, undo, lock, risk, predictedSpeedup }) => ({
          id,
          kind,
          title,
          reason,
          sql,
          undo,
          lock,
          risk,
          predictedSpeedup,
        })),
        mediumTerm: mediumTermOf(findings),
      });
    },
  );
  return server;
}

/** Where `up --dir` keeps histories. */
export const historyDirectoryOf = (directory: string): string => path.resolve(directory, 'data', 'console');
