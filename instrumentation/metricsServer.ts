import cluster from 'node:cluster';
import { rmSync } from 'node:fs';
import { createServer, type IncomingMessage, request, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { context } from '@opentelemetry/api';
import { suppressTracing } from '@opentelemetry/core';
import type { PrometheusExporter } from '@opentelemetry/exporter-prometheus';

export interface MetricsServerOptions {
  exporter: PrometheusExporter;
  host: string;
  port: number;
  warn: (text: string) => void;
}

/** What a worker may take to answer; Prometheus waits 10 s by default. */
const WORKER_TIMEOUT_MS = 2_000;

const sockets = new WeakSet<Socket>();

/** Whether a request is a scrape of these metrics, whatever its path: it is no work of the service. */
export const isScrape = ({ socket }: IncomingMessage): boolean => sockets.has(socket);

/** Where a worker of a cluster serves its metrics to its primary, which alone has the port. */
function workerSocket(primary: number, worker: number): string {
  const name = `sqltrail-${primary}-${worker}.sock`;
  return process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : path.join(tmpdir(), name);
}

/** The exposition of a worker, each sample with its label. */
const labelled = (text: string, worker: number): string =>
  text
    .split('\n')
    .map((line) => {
      const [, name, labels, value] = /^([\w:]+)(?:\{(.*)\})? (\S+(?: \d+)?)$/s.exec(line) ?? [];
      return name ? `${name}{${labels ? `${labels},` : ''}worker="${worker}"} ${value}` : line;
    })
    .join('\n');

/** The metrics of one worker; none when it does not answer, as it does while it starts and ends. */
function scrapeWorker(worker: number): Promise<string> {
  return new Promise((resolve) => {
    const asked = request(
      { socketPath: workerSocket(process.pid, worker), path: '/metrics', timeout: WORKER_TIMEOUT_MS },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk) => {
          text += chunk;
        });
        response.on('end', () => resolve(labelled(text, worker)));
        response.on('error', () => resolve(''));
      },
    );
    asked.on('error', () => resolve(''));
    asked.on('timeout', () => asked.destroy());
    asked.end();
  });
}

function ownMetrics(exporter: PrometheusExporter): Promise<string> {
  return new Promise((resolve) => {
    // The exporter writes to a response only.
    const response = { statusCode: 0, setHeader() {}, end: (text: string) => resolve(text) };
    exporter.getMetricsRequestHandler({} as IncomingMessage, response as never);
  });
}

/** One exposition of all: what is said of a metric comes once, and its samples stand together. */
function merged(texts: string[]): string {
  const families = new Map<string, Set<string>>();
  for (const line of texts.join('\n').split('\n')) {
    if (!line) continue;
    const name = /^# (?:HELP|TYPE|UNIT) (\S+)/.exec(line)?.[1] ?? line.slice(0, line.search(/[{ ]/));
    const family = [name, name.replace(/_(?:bucket|sum|count)$/, '')].find((of) => families.has(of)) ?? name;
    families.set(family, (families.get(family) ?? new Set()).add(line));
  }
  return `${[...families.values()].flatMap((lines) => [...lines]).join('\n')}\n`;
}

/**
 * Serves `/metrics`. In a cluster the primary has the port and adds its workers' metrics, each with a label `worker`. A
 * port that cannot be had costs the metrics, not the service.
 */
export function serveMetrics({ exporter, host, port, warn }: MetricsServerOptions): Server {
  const server = createServer((asked, response) => {
    if (asked.url?.split('?')[0] !== '/metrics') return void response.writeHead(404).end();
    void context.with(suppressTracing(context.active()), async () => {
      const workers = Object.keys(cluster.workers ?? {}).map(Number);
      const texts = await Promise.all([ownMetrics(exporter), ...workers.map(scrapeWorker)]);
      response.setHeader('content-type', 'text/plain; charset=utf-8');
      response.end(workers.length > 0 ? merged(texts) : texts[0]);
    });
  });
  const own = cluster.worker && workerSocket(process.ppid, cluster.worker.id);
  server.on('error', (error: NodeJS.ErrnoException) =>
    warn(
      `metrics are not served: cannot listen on ${own ?? `${host}:${port}`} (${error.code}); free it or set OTEL_EXPORTER_PROMETHEUS_PORT`,
    ),
  );
  if (own) {
    // What a worker that was killed has left behind.
    rmSync(own, { force: true });
    process.once('exit', () => rmSync(own, { force: true }));
    // Exclusive, for a cluster's workers share what they listen on.
    server.listen({ path: own, exclusive: true });
  } else server.listen(port, host);
  // Neither the listener nor Prometheus's kept-alive connection may keep the application from ending.
  server.unref();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.unref();
  });
  return server;
}
