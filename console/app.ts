import path from 'node:path';
import express, { type ErrorRequestHandler, type Express, type Request } from 'express';
import { z } from 'zod';
import type { DiagnosisOptions } from '../diagnosis/run.ts';
import { observed } from '../kpis/catalogue.ts';
import { exposition } from '../lib/prometheus/exposition.ts';
import { metricsOf } from '../watch/metrics.ts';
import { runOnSchedule } from '../watch/schedule.ts';
import { allowHosts, bearerOf, demandToken, secureHeaders } from './access.ts';
import { Answers } from './answers.ts';
import { Bodies, largeJson, smallJson } from './body.ts';
import { bundlePage } from './bundlePage.ts';
import type { StatementDetail, TimelineReading, TraceReading } from './details.ts';
import { deliveredDiagnosis, diagnosisRequest } from './diagnosis.ts';
import type { Environment } from './environment.ts';
import { Feed, type Topic } from './feed.ts';
import { AlertHistory } from './history.ts';
import { Notifications, webhookSchema } from './notifications.ts';
import { type ObservedDatabase, observeDatabase } from './observed.ts';
import { withDatabases } from './page.ts';
import { dashboardDefinitions, Panels, SPANS } from './panels.ts';
import { PhaseLog, phases } from './phase.ts';
import { BadRequest, toProblem } from './problem.ts';
import { readKpis, readStatements } from './readings.ts';
import { type RunbookTargets, renderRunbook } from './runbooks.ts';
import { demandSession, Sessions, sameOrigin } from './sessions.ts';
import { shared } from './shared.ts';
import { readAlerts } from './sources/alertmanager.ts';
import { Gate } from './sources/gate.ts';
import { PrometheusSource } from './sources/prometheus.ts';
import { readTempoTrace } from './sources/tempo.ts';
import { takeSpans } from './traces/intake.ts';
import { TraceStore } from './traces/store.ts';

export interface ConsoleOptions extends Omit<Environment, 'host' | 'port' | 'directory'> {
  /** Where histories of findings are kept; none is without it. */
  directory?: string | undefined;
  /** The schedule of the diagnosis, where there is one; it needs a directory. */
  schedule?: Schedule | undefined;
  /** Takes the cause of an internal error. */
  log: (message: string) => void;
  /** Between two looks at the sources while a page is open, milliseconds. */
  refreshMs?: number;
  /** Other than the diagnosis's own defaults. */
  diagnosis?: Partial<DiagnosisOptions>;
  /** What is measured before and after an action. */
  measure?: { windows: number; windowMs: number };
}

export interface Schedule {
  everySeconds: number;
  /** Database time of a run. */
  budgetSeconds: number;
  /** Before the first run; some seconds without it. */
  firstMs?: number;
}

export interface Console {
  app: Express;
  /** Gives up what is being read from other parts. */
  close(): void;
}

/** @throws BadRequest naming the field at fault */
function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new BadRequest(`${issue?.path.join('.') || 'The body'}: ${issue?.message}`);
}

const phaseSchema = z.object({
  phase: z.enum(phases, { error: `is not a phase; one of ${phases.join(', ')}` }),
});

const tracesQuery = z.object({
  statement: z.string().max(512).optional(),
  route: z.string().max(512).optional(),
  errors: z.enum(['true', 'false'], { error: 'is neither true nor false' }).optional(),
  minDurationMs: z.coerce.number({ error: 'is not a number' }).min(0).optional(),
  limit: z.coerce.number({ error: 'is not a number' }).int().min(1).max(200).default(50),
  offset: z.coerce.number({ error: 'is not a number' }).int().min(0).max(1_000_000).default(0),
});

const panelQuery = z.object({
  minutes: z.coerce
    .number()
    .refine((minutes) => (SPANS as readonly number[]).includes(minutes), `is none of ${SPANS.join(', ')}`)
    .default(15),
  statement: z.string().max(512).optional(),
});

const sessionRequest = z.object({ code: z.string().max(200).optional() });

const actionRequest = z.object({
  verb: z.enum(['apply', 'undo'], { error: 'is neither apply nor undo' }),
  id: z.string().max(500),
});

const traceIdSchema = z
  .string()
  .regex(/^[0-9a-f]{32}$/i, 'is not a trace id: 32 hex digits')
  .toLowerCase();

const databaseQuery = z.object({ database: z.string().max(100).optional() });

/** Those of the first database have a plain name. */
type TopicName =
  | 'timeline'
  | 'alerts'
  | 'statements'
  | 'kpis'
  | 'actions'
  | 'diagnosis'
  | `${'actions' | 'diagnosis'}@${string}`;

const topicOf = (topic: 'actions' | 'diagnosis', index: number, name: string): TopicName =>
  index === 0 ? topic : `${topic}@${name}`;

const REFRESH_MS = 5_000;
/** As the command line has it. */
const MEASURE = { windows: 3, windowMs: 5_000 };

/**
 * The console: the page, what it reads, and where the collector and Alertmanager deliver to. It keeps all in
 * memory, bounded.
 *
 * @throws Error when the page does not compile
 */
export async function createConsole(options: ConsoleOptions): Promise<Console> {
  const traces = new TraceStore({ maxTraces: options.maxTraces, maxBytes: options.maxTraceBytes });
  const closing = new AbortController();
  const prometheus = new PrometheusSource(options.prometheusUrl, closing.signal);
  const phase = new PhaseLog();
  const notifications = new Notifications();
  const history = new AlertHistory();
  const sessions = new Sessions();
  const panels = new Panels(prometheus);
  const turn = new Gate('The diagnosis', 1, 100);
  const { schedule, directory } = options;
  const databases = await Promise.all(
    options.databases.map((target, index) =>
      observeDatabase(target, {
        traces,
        signal: closing.signal,
        turn,
        directory: directory && path.resolve(directory),
        everySeconds: schedule?.everySeconds,
        settings: options.diagnosis,
        measure: options.measure ?? MEASURE,
        onChange: (topics) => feed.changed(...topics.map((topic) => topicOf(topic, index, target.name))),
        log: options.log,
      }),
    ),
  );
  const [first] = databases;
  if (!first) throw new Error('the console shows one database at least');
  /** The one that the query names; the first without it. @throws BadRequest */
  const asked = (request: Request): ObservedDatabase => {
    const { database: name } = parse(databaseQuery, request.query);
    const found = name === undefined ? first : databases.find((database) => database.name === name);
    if (!found)
      throw new BadRequest(
        `There is no database ${name}. Databases: ${databases.map((each) => each.name).join(', ')}.`,
        404,
      );
    return found;
  };
  const alertsNow = async () => {
    const alerts = await readAlerts(options.alertmanagerUrl, closing.signal);
    history.observed(alerts);
    return alerts;
  };
  const runbookTargets: RunbookTargets = {
    prometheusUrl: options.prometheusUrl,
    spans: observed.spans,
    databases: options.databases,
  };
  // For whoever asks: a request costs a source no more than a page that looks on does.
  const askAlerts = shared(alertsNow);
  const askKpis = shared(() => readKpis(prometheus));
  const askStatements = shared(() => readStatements(prometheus, traces));
  const timeline = (): TimelineReading => ({ phases: phase.history, alerts: history.intervals });
  const feed: Feed<TopicName> = new Feed<TopicName>(
    {
      timeline: { read: timeline, beats: 1 },
      alerts: { read: alertsNow, beats: 1 },
      // Before the KPIs: their queries are few, and a few run at a time.
      statements: { read: () => readStatements(prometheus, traces), beats: 1 },
      kpis: { read: () => readKpis(prometheus), beats: 1 },
      ...Object.fromEntries(
        databases.flatMap(({ name, actions, diagnosis }, index) => [
          // Each reading is a connection to a database that may have few left.
          [topicOf('actions', index, name), { read: () => actions.read(), beats: 4 }],
          [topicOf('diagnosis', index, name), { read: () => diagnosis.reading, beats: 0 }],
        ]),
      ),
    } as Record<TopicName, Topic>,
    options.refreshMs ?? REFRESH_MS,
    options.log,
  );
  const page = withDatabases(
    await bundlePage(),
    databases.map(({ name }) => name),
  );

  const app = express();
  app.disable('x-powered-by');
  app.set('query parser', 'simple');
  app.use(allowHosts(options.allowedHosts), secureHeaders, new Answers().bound);
  app.use(['/api', '/v1', '/metrics'], sameOrigin);

  app.get('/healthz', (_request, response) => {
    response.json({ status: 'ok' });
  });
  app.get('/metrics', (_request, response) => {
    response
      .type('text/plain; version=0.0.4')
      .send(
        exposition([
          [`sqltrail_phase_info{phase="${phase.current.phase}"}`, 'gauge', 'The phase in force.', 1],
          ['sqltrail_traces_stored', 'gauge', 'Traces in the console.', traces.size],
          [
            'sqltrail_traces_evicted_total',
            'counter',
            'Traces that made room for newer ones.',
            traces.evicted,
          ],
          [
            'sqltrail_traces_bytes',
            'gauge',
            'Upper bound of what the traces take on the heap.',
            traces.bytes,
          ],
          ['sqltrail_heap_used_bytes', 'gauge', 'The heap of this process.', process.memoryUsage().heapUsed],
          ['sqltrail_event_streams', 'gauge', 'Pages that are open.', feed.readers],
          [
            'sqltrail_event_streams_cut_off_total',
            'counter',
            'Pages cut off because they did not read.',
            feed.cutOff,
          ],
          [
            'sqltrail_event_bytes_waiting',
            'gauge',
            'Bytes of events that pages have not taken yet.',
            feed.waitingBytes,
          ],
          ...databases.flatMap(({ name, store }) => (store ? metricsOf(name, store.history) : [])),
        ]),
      );
  });

  // No token, as the collector sends none to its exporters' targets here; the console listens on loopback. A page of
  // another site cannot post JSON without a preflight, which gets no permission.
  const bodies = new Bodies();
  // What JSON.parse makes of a request takes several times its bytes, so one is read at a time.
  const intake = new Gate('The console', 1, 10_000);
  app.post('/v1/traces', bodies.raw(largeJson), async (request, response) => {
    if (!request.is('application/json'))
      throw new BadRequest('Only OTLP/JSON is accepted; set `encoding: json` on the exporter.', 415);
    const { rejected, reason } = await intake.run(() => takeSpans(request.body, traces));
    response.json(
      rejected > 0 ? { partialSuccess: { rejectedSpans: String(rejected), errorMessage: reason } } : {},
    );
  });

  const json = bodies.json(smallJson);
  app.get('/api/phase', (_request, response) => {
    response.json({ ...phase.current, history: phase.history });
  });
  const byToken = demandToken(options.token, 'SQLTRAIL_TOKEN');
  const bySession = demandSession(sessions, options.token);
  app.post('/api/phase', byToken, json, (request, response) => {
    const entered = phase.enter(parse(phaseSchema, request.body).phase);
    feed.changed('timeline');
    response.json(entered);
  });
  app.get('/api/timeline', (_request, response) => {
    response.json(timeline());
  });
  app.get('/api/events', feed.handler);

  app.post('/api/session/link', byToken, (_request, response) => {
    response.json({ code: sessions.link() });
  });
  app.post('/api/session', json, (request, response, next) => {
    const { code } = parse(sessionRequest, request.body ?? {});
    const grant = () => response.json({ token: sessions.start() });
    if (code !== undefined && sessions.redeem(code)) return grant();
    if (code !== undefined && bearerOf(request) === undefined)
      throw new BadRequest(
        'The link was already used, or is older than an hour; enter the token instead.',
        401,
      );
    return byToken(request, response, (error?: unknown) => (error ? next(error) : grant()));
  });

  app.get('/api/diagnosis', (request, response) => {
    response.json(asked(request).diagnosis.reading);
  });
  app.post('/api/diagnosis', bySession, json, (request, response) => {
    const { diagnosis } = asked(request);
    diagnosis.start(parse(diagnosisRequest, request.body ?? {}));
    response.status(202).json(diagnosis.reading.running);
  });
  app.put('/api/diagnosis', byToken, bodies.json(largeJson), async (request, response) => {
    await asked(request).diagnosis.deliver(parse(deliveredDiagnosis, request.body));
    response.json({});
  });
  app.get('/api/actions', async (request, response) => {
    response.json(await asked(request).readActions());
  });
  app.post('/api/actions', bySession, json, async (request, response) => {
    const { verb, id } = parse(actionRequest, request.body);
    await asked(request).actions.start(verb, id);
    response.status(202).json({});
  });

  app.post(
    '/api/alerts/webhook',
    demandToken(options.webhookToken, 'ALERT_WEBHOOK_TOKEN'),
    json,
    (request, response) => {
      for (const notification of notifications.add(parse(webhookSchema, request.body)))
        history.notified(notification);
      feed.changed('alerts', 'timeline');
      response.json({});
    },
  );
  app.get('/api/alerts/history', (_request, response) => {
    response.json(notifications.all);
  });
  app.get('/api/alerts', async (_request, response) => {
    response.json(await askAlerts());
  });
  app.get('/api/kpis', async (_request, response) => {
    response.json(await askKpis());
  });
  app.get('/api/statements', async (_request, response) => {
    response.json(await askStatements());
  });
  app.get('/api/dashboards', (_request, response) => {
    response.json(dashboardDefinitions);
  });
  app.get('/api/dashboards/:dashboard/:panel', async (request, response) => {
    const { dashboard, panel } = request.params;
    response.json(await panels.read({ dashboard, panel, ...parse(panelQuery, request.query) }));
  });
  app.get('/api/statement', async (request, response) => {
    const { summary } = parse(z.object({ summary: z.string().max(512) }), request.query);
    const { source } = asked(request);
    const answer: StatementDetail = {
      summary,
      text: traces.textOf(summary),
      measured: null,
      tableRows: {},
      reason: null,
    };
    try {
      const { statements, tableRows } = await source.facts();
      answer.measured = statements.filter((statement) => statement.summary === summary);
      answer.tableRows = tableRows;
    } catch (error) {
      answer.reason = (error as Error).message;
    }
    response.json(answer);
  });
  app.get('/api/traces', (request, response) => {
    const { errors, ...filter } = parse(tracesQuery, request.query);
    const { total, found } = traces.find({
      ...filter,
      error: errors === undefined ? undefined : errors === 'true',
    });
    response.set('X-Total-Count', String(total)).json(found);
  });
  app.get('/api/traces/:traceId', async (request, response) => {
    const { traceId } = parse(z.object({ traceId: traceIdSchema }), request.params);
    const stored = traces.get(traceId);
    const spans = stored
      ? stored.spans
      : options.tempoUrl && (await readTempoTrace(options.tempoUrl, traceId, closing.signal));
    if (!spans)
      throw new BadRequest(
        `There is no trace ${traceId}: it was not sampled, was removed to make room for newer ones, or has not arrived yet.`,
        404,
      );
    const answer: TraceReading = {
      traceId,
      droppedSpans: stored?.droppedSpans ?? 0,
      spans: spans.sort((a, b) => a.startMs - b.startMs),
    };
    response.json(answer);
  });

  app.get('/runbooks/:alert', async (request, response) => {
    // Runbooks link to one another by their file names.
    const alert = /^(\w{1,100})(?:\.md)?$/.exec(request.params.alert)?.[1];
    const html = alert === undefined ? undefined : await renderRunbook(alert, runbookTargets);
    if (html === undefined) throw new BadRequest(`There is no runbook ${request.params.alert}.`, 404);
    response.type('text/html').send(html);
  });
  for (const [path, { type, body }] of Object.entries(page)) {
    // One copy, however many ask for it and do not read it.
    const bytes = Buffer.from(body);
    app.get(path, (_request, response) => {
      response.type(type).set('Cache-Control', 'no-cache').send(bytes);
    });
  }

  app.use((request) => {
    throw new BadRequest(`There is no ${request.method} ${request.path}.`, 404);
  });
  const onError: ErrorRequestHandler = (error, _request, response, next) => {
    const problem = toProblem(error);
    if (problem.status === 500) options.log(String(error?.stack ?? error));
    if (response.headersSent) return next(error);
    response.status(problem.status).type('application/problem+json').send(JSON.stringify(problem));
  };
  app.use(onError);
  if (schedule && directory !== undefined)
    void runOnSchedule(
      databases.map(({ diagnosis }) => ({
        lastAt: () => diagnosis.lastScheduledAt,
        run: () => diagnosis.scheduled(schedule.budgetSeconds * 1_000),
      })),
      schedule.everySeconds * 1_000,
      closing.signal,
      schedule.firstMs,
    );
  return {
    app,
    close: () => {
      feed.close();
      closing.abort(new Error('the console ends'));
    },
  };
}
