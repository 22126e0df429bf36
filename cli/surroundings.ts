import { describeError } from '../lib/errors.ts';

const PATIENCE_MS = 5_000;
const LARGEST_BYTES = 8_000_000;

/** What a service's metrics say about it. */
export interface Emitted {
  /** `service.name`, where it is there. */
  service: string | undefined;
  pools: string[];
  /** What sqltrail reads and did not find. */
  missing: string[];
}

/** Families without which there are no pool KPIs. */
const NEEDED = ['db_client_connection_count', 'db_client_connection_max', 'db_client_connection_wait_time'];

const valuesOf = (text: string, label: string) => [
  ...new Set(
    [...text.matchAll(new RegExp(`[{,]${label}="((?:[^"\\\\\\n]|\\\\.)*)"`, 'g'))].map(([, value = '']) =>
      value.replace(/\\(["\\])/g, '$1'),
    ),
  ),
];

/** Reads a service's metrics as Prometheus would. @throws Error saying why they cannot be read */
export async function readMetrics(target: string): Promise<Emitted> {
  const response = await fetch(`http://${target}/metrics`, {
    signal: AbortSignal.timeout(PATIENCE_MS),
  }).catch((error: unknown) => {
    throw new Error(`it does not answer (${describeError(error)})`);
  });
  if (!response.ok) throw new Error(`it answers with status ${response.status}`);
  const text = (await response.text()).slice(0, LARGEST_BYTES);
  return {
    service: valuesOf(text, 'service_name')[0],
    pools: valuesOf(text, 'db_client_connection_pool_name'),
    missing: NEEDED.filter((name) => !new RegExp(`^${name}\\b|^${name}_`, 'm').test(text)),
  };
}

/** Whether something takes OTLP over HTTP there: it refuses an empty GET, which is an answer all the same. */
export async function collectorAnswers(url: string): Promise<boolean> {
  return fetch(`${url.replace(/\/+$/, '')}/v1/traces`, { signal: AbortSignal.timeout(PATIENCE_MS) }).then(
    ({ status }) => status === 405 || status === 400 || status === 415 || status === 200,
    () => false,
  );
}
