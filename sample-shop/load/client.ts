import { randomBytes } from 'node:crypto';
import { errors, Pool } from 'undici';
import { now } from './openLoop.ts';

/** What one request came to. `timeout`: no whole answer within the time that the customer gave it. */
export type RequestOutcome = 'ok' | 'error' | 'timeout';

export interface ShopRequest {
  method: 'GET' | 'POST';
  path: string;
  /** Sent as JSON. */
  body?: unknown;
  /** Statuses beyond 2xx that are a proper answer to this step, such as 409 for a basket that is out of stock. */
  accept?: readonly number[];
}

export interface Answer {
  outcome: RequestOutcome;
  /** HTTP status; undefined when no answer came. */
  status: number | undefined;
  /** Why it is not ok: `HTTP 503`, `ECONNREFUSED`, `timeout`; empty when ok. */
  reason: string;
  /** The parsed JSON body of an ok answer; undefined otherwise. */
  body: unknown;
  /** From the intended start to the end of the answer, seconds. */
  seconds: number;
  /** Trace id sent in `traceparent` (W3C), 32 hex digits. */
  traceId: string;
  endedMs: number;
}

export interface SendOptions {
  /** When the customer clicked, on the clock of {@link now}. */
  intendedMs: number;
  /** Give up this long after the intended start. */
  timeoutMs: number;
  /** Ends the request when the generator shuts down. */
  signal: AbortSignal;
}

/** The reason that ends a request at its timeout. */
const TIMED_OUT = new Error('timeout');

/**
 * The shop as customers reach it: one keep-alive HTTP/1.1 connection a journey in flight at most, so that a request
 * never queues in this process behind another one that the shop is slow to answer.
 */
export class ShopClient {
  readonly #pool: Pool;
  readonly #prefix: string;

  constructor(target: string, connections: number) {
    const { origin, pathname } = new URL(target);
    this.#prefix = pathname.replace(/\/$/, '');
    this.#pool = new Pool(origin, {
      connections,
      pipelining: 1,
      // The timeout that counts is the customer's, set per request; undici's own are coarser and would race it.
      headersTimeout: 0,
      bodyTimeout: 0,
      connectTimeout: 0,
      keepAliveTimeout: 30_000,
    });
  }

  /** Sends one request. Never throws for what the shop or the network does. */
  async send(request: ShopRequest, { intendedMs, timeoutMs, signal }: SendOptions): Promise<Answer> {
    const random = randomBytes(24).toString('hex');
    const traceId = random.slice(0, 32);
    const abort = new AbortController();
    const stop = () => abort.abort(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    const timer = setTimeout(() => abort.abort(TIMED_OUT), Math.max(0, intendedMs + timeoutMs - now()));
    const answer = (outcome: RequestOutcome, reason: string, status?: number, body?: unknown): Answer => {
      const endedMs = now();
      return { outcome, status, reason, body, seconds: (endedMs - intendedMs) / 1000, traceId, endedMs };
    };
    try {
      const response = await this.#pool.request({
        method: request.method,
        path: this.#prefix + request.path,
        headers: {
          accept: 'application/json',
          // sampled: the collector's tail sampling decides what is kept
          traceparent: `00-${traceId}-${random.slice(32)}-01`,
          ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        body: request.body === undefined ? null : JSON.stringify(request.body),
        signal: abort.signal,
      });
      const status = response.statusCode;
      const proper = (status >= 200 && status < 300) || request.accept?.includes(status);
      // A failed answer's body is read too, so that the connection can serve the next request.
      const text = await response.body.text();
      if (!proper) return answer('error', `HTTP ${status}`, status);
      return answer('ok', '', status, text === '' ? undefined : JSON.parse(text));
    } catch (error) {
      if (abort.signal.reason === TIMED_OUT) return answer('timeout', 'timeout');
      return answer('error', reasonOf(error));
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    }
  }

  /** Closes the connections, cutting off what is still under way. */
  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof SyntaxError) return 'answer is not JSON';
  if (error instanceof errors.SocketError) return 'connection closed by the shop';
  const { code, name } = error as NodeJS.ErrnoException;
  return code ?? name;
}
