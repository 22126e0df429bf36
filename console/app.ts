import express, { type ErrorRequestHandler, type Express } from 'express';
import { z } from 'zod';
import { allowHosts, demandToken, secureHeaders } from './access.ts';
import type { Environment } from './environment.ts';
import { Notifications, webhookSchema } from './notifications.ts';
import { bundlePage } from './page.ts';
import { PhaseLog, phases } from './phase.ts';
import { BadRequest, toProblem } from './problem.ts';
import { readKpis, readStatements } from './readings.ts';
import { renderRunbook } from './runbooks.ts';
import { readAlerts } from './sources/alertmanager.ts';
import { PrometheusSource } from './sources/prometheus.ts';
import { readTempoTrace } from './sources/tempo.ts';
import { parseOtlp } from './traces/otlp.ts';
import type { Span } from './traces/span.ts';
import { TraceStore } from './traces/store.ts';

export interface ConsoleOptions extends Omit<Environment, 'host' | 'port' | 'databaseUrl'> {
  /** Takes the cause of an internal error. */
  log: (message: string) => void;
}

export interface Console {
  app: Express;
  /** Gives up what is being read from other parts. */
  close(): void;
}

/** What `GET /api/traces/:id` answers. */
export interface TraceReading {
  traceId: string;
  /** Spans that arrived and found no room. */
  droppedSpans: number;
  /** By start. */
  spans: Span[];
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
});

const traceIdSchema = z
  .string()
  .regex(/^[0-9a-f]{32}$/i, 'is not a trace id: 32 hex digits')
  .toLowerCase();

/** Uncompressed. The collector's batches of sampled spans are far below; a plan may have half a megabyte. */
const LARGEST_TRACE_REQUEST = '8mb';

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
  const page = await bundlePage();

  const app = express();
  app.disable('x-powered-by');
  app.set('query parser', 'simple');
  app.use(allowHosts(options.allowedHosts), secureHeaders);

  app.get('/healthz', (_request, response) => {
    response.json({ status: 'ok' });
  });
  app.get('/metrics', (_request, response) => {
    response
      .type('text/plain; version=0.0.4')
      .send(
        [
          '# HELP sqltrail_phase_info The phase in force.',
          '# TYPE sqltrail_phase_info gauge',
          `sqltrail_phase_info{phase="${phase.current.phase}"} 1`,
          '# HELP sqltrail_traces_stored Traces in the console.',
          '# TYPE sqltrail_traces_stored gauge',
          `sqltrail_traces_stored ${traces.size}`,
          '# HELP sqltrail_traces_evicted_total Traces that made room for newer ones.',
          '# TYPE sqltrail_traces_evicted_total counter',
          `sqltrail_traces_evicted_total ${traces.evicted}`,
          '',
        ].join('\n'),
      );
  });

  // No token, as the collector sends none to its exporters' targets here; the console listens on loopback. A page of
  // another site cannot post JSON without a preflight, which gets no permission.
  app.post('/v1/traces', express.json({ limit: LARGEST_TRACE_REQUEST }), (request, response) => {
    if (!request.is('application/json'))
      throw new BadRequest('Only OTLP/JSON is taken; set `encoding: json` on the exporter.', 415);
    let parsed: ReturnType<typeof parseOtlp>;
    try {
      parsed = parseOtlp(request.body);
    } catch (error) {
      throw new BadRequest((error as Error).message);
    }
    traces.add(parsed.spans);
    response.json(
      parsed.rejected > 0
        ? { partialSuccess: { rejectedSpans: String(parsed.rejected), errorMessage: parsed.reason } }
        : {},
    );
  });

  const json = express.json({ limit: '1mb' });
  app.get('/api/phase', (_request, response) => {
    response.json({ ...phase.current, history: phase.history });
  });
  app.post('/api/phase', demandToken(options.token, 'SQLTRAIL_TOKEN'), json, (request, response) => {
    response.json(phase.enter(parse(phaseSchema, request.body).phase));
  });
  app.post(
    '/api/alerts/webhook',
    demandToken(options.webhookToken, 'ALERT_WEBHOOK_TOKEN'),
    json,
    (request, response) => {
      notifications.add(parse(webhookSchema, request.body));
      response.json({});
    },
  );
  app.get('/api/alerts/history', (_request, response) => {
    response.json(notifications.all);
  });
  app.get('/api/alerts', async (_request, response) => {
    response.json(await readAlerts(options.alertmanagerUrl, closing.signal));
  });
  app.get('/api/kpis', async (_request, response) => {
    response.json(await readKpis(prometheus));
  });
  app.get('/api/statements', async (_request, response) => {
    response.json(await readStatements(prometheus, traces));
  });
  app.get('/api/traces', (request, response) => {
    const { errors, ...filter } = parse(tracesQuery, request.query);
    response.json(traces.find({ ...filter, error: errors === undefined ? undefined : errors === 'true' }));
  });
  app.get('/api/traces/:traceId', async (request, response) => {
    const { traceId } = parse(z.object({ traceId: traceIdSchema }), request.params);
    const stored = traces.get(traceId);
    const spans = stored
      ? [...stored.spans.values()]
      : options.tempoUrl && (await readTempoTrace(options.tempoUrl, traceId, closing.signal));
    if (!spans)
      throw new BadRequest(
        `There is no trace ${traceId} here: it was sampled out, has made room for newer ones, or has not arrived yet.`,
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
    const html = alert === undefined ? undefined : await renderRunbook(alert);
    if (html === undefined) throw new BadRequest(`There is no runbook ${request.params.alert}.`, 404);
    response.type('text/html').send(html);
  });
  for (const [path, { type, body }] of Object.entries(page))
    app.get(path, (_request, response) => {
      response.type(type).set('Cache-Control', 'no-cache').send(body);
    });

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
  return { app, close: () => closing.abort(new Error('the console ends')) };
}
