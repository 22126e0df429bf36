import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import express, { type ErrorRequestHandler, type Express, type Request } from 'express';
import { z } from 'zod';
import { bundlePage } from './page.ts';
import { BadRequest, toProblem } from './problem.ts';
import { readKpis, readStatements } from './readings.ts';
import { readAlerts } from './sources/alertmanager.ts';
import { PrometheusSource } from './sources/prometheus.ts';
import { readTempoTrace } from './tempo.ts';
import { parseOtlp } from './traces/otlp.ts';
import type { Span } from './traces/span.ts';
import { TraceStore } from './traces/store.ts';

export const phases = [
  'idle',
  'ordinary',
  'peak',
  'diagnosis',
  'short-term',
  'medium-term',
  'proof',
] as const;
export type Phase = (typeof phases)[number];

export interface ConsoleOptions {
  allowedHosts: string[];
  prometheusUrl: string;
  alertmanagerUrl: string;
  tempoUrl?: string | undefined;
  token: string;
  webhookToken: string;
  maxTraces: number;
  maxTraceBytes: number;
  log: (message: string) => void;
}

const digest = (value: string) => createHash('sha256').update(value).digest();

function demandToken(request: Request, token: string): void {
  const given = request.get('authorization')?.replace(/^Bearer /, '') ?? '';
  if (!timingSafeEqual(digest(given), digest(token)))
    throw new BadRequest('This needs the bearer token.', 401);
}

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new BadRequest(`${issue?.path.join('.') || 'The body'}: ${issue?.message}`);
}

const webhook = z.object({
  status: z.string(),
  alerts: z.array(
    z.object({
      status: z.string(),
      labels: z.record(z.string(), z.string()),
      annotations: z.record(z.string(), z.string()).optional(),
      startsAt: z.string(),
    }),
  ),
});

/** Notifications kept for the page. */
const MOST_NOTIFICATIONS = 200;

const tracesQuery = z.object({
  statement: z.string().max(300).optional(),
  route: z.string().max(300).optional(),
  errors: z.enum(['true', 'false']).optional(),
  minDurationMs: z.coerce.number().min(0).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

const byStart = (a: Span, b: Span) => a.startMs - b.startMs;

/** The console: the page, what it reads, and where the collector and the Alertmanager deliver to. */
export async function createConsole(options: ConsoleOptions): Promise<Express> {
  const traces = new TraceStore({ maxTraces: options.maxTraces, maxBytes: options.maxTraceBytes });
  const prometheus = new PrometheusSource(options.prometheusUrl);
  const page = await bundlePage();
  let phase: { phase: Phase; since: string } = { phase: 'idle', since: new Date().toISOString() };
  const phaseHistory = [phase];
  const notifications: unknown[] = [];

  const app = express();
  app.disable('x-powered-by');
  app.set('query parser', 'simple');
  // A page of another site that has its name resolve to this address must not read what is here.
  app.use((request, _response, next) => {
    const host = request.hostname?.toLowerCase() ?? '';
    const bare = host.replace(/^\[|\]$/g, '');
    if (isIP(bare) || !host.includes('.') || options.allowedHosts.includes(host)) return next();
    throw new BadRequest(`The host ${host} is not allowed; name it in CONSOLE_ALLOWED_HOSTS.`, 421);
  });
  app.use((_request, response, next) => {
    response.set({
      'Content-Security-Policy':
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      'X-Content-Type-Options': 'nosniff',
      'Referrer-Policy': 'no-referrer',
    });
    next();
  });

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
          `sqltrail_phase_info{phase="${phase.phase}"} 1`,
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

  app.post('/v1/traces', express.json({ limit: '16mb' }), (request, response) => {
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
    response.json({ ...phase, history: phaseHistory });
  });
  app.post('/api/phase', json, (request, response) => {
    demandToken(request, options.token);
    const given = parse(z.object({ phase: z.enum(phases) }), request.body);
    if (given.phase !== phase.phase) {
      phase = { phase: given.phase, since: new Date().toISOString() };
      phaseHistory.push(phase);
      if (phaseHistory.length > 100) phaseHistory.shift();
    }
    response.json(phase);
  });
  app.post('/api/alerts/webhook', json, (request, response) => {
    demandToken(request, options.webhookToken);
    const receivedAt = new Date().toISOString();
    for (const alert of parse(webhook, request.body).alerts) notifications.unshift({ receivedAt, ...alert });
    notifications.length = Math.min(notifications.length, MOST_NOTIFICATIONS);
    response.json({});
  });
  app.get('/api/alerts/history', (_request, response) => {
    response.json(notifications);
  });
  app.get('/api/alerts', async (_request, response) => {
    response.json(await readAlerts(options.alertmanagerUrl));
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
  app.get('/api/traces/:id', async (request, response) => {
    const traceId = parse(
      z.string().regex(/^[0-9a-f]{32}$/i, 'is not 32 hex digits'),
      request.params.id,
    ).toLowerCase();
    const stored = traces.get(traceId);
    const spans = stored
      ? [...stored.spans.values()]
      : options.tempoUrl
        ? await readTempoTrace(options.tempoUrl, traceId)
        : undefined;
    if (!spans)
      throw new BadRequest(`No trace ${traceId}: it was sampled out, or has made room for newer ones.`, 404);
    response.json({ traceId, droppedSpans: stored?.droppedSpans ?? 0, spans: spans.sort(byStart) });
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
  return app;
}
