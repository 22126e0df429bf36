import { z } from 'zod';
import type { Diagnosis } from '../diagnosis/diagnosis.ts';
import { prometheusAt, type Sample } from '../lib/prometheus/client.ts';

/** Where the parts of a running stack answer, native or Docker. */
export interface StoryTargets {
  prometheus: string;
  alertmanager: string;
  console: string;
  /** Where a browser finds the console, when that is not where this program does. */
  consolePage?: string;
  shop: string;
  load: string;
  /** Bearer token of requests that change state. */
  token: string;
}

/** What it takes to change the running shop. */
export type ShopTarget = Pick<StoryTargets, 'shop' | 'token'>;

/** Database roles that the story needs beyond what is shown: without them it ends at the verdict on the breakdown. */
export interface StoryDatabases {
  /** Owns the shop's tables. */
  owner: string;
  /** May read statistics (pg_monitor). */
  monitor: string;
}

/** A request was answered, with an error. */
export class ErrorAnswer extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

async function request(url: string, init: RequestInit = {}): Promise<unknown> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(15_000) });
  const text = await response.text();
  if (!response.ok)
    throw new ErrorAnswer(
      response.status,
      `${init.method ?? 'GET'} ${url} answered ${response.status}: ${text.slice(0, 300)}`,
    );
  return text === '' ? undefined : JSON.parse(text);
}

const post = (url: string, token: string, body: unknown) =>
  request(url, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });

const alertsSchema = z.array(
  z.object({
    labels: z.record(z.string(), z.string()),
    annotations: z.record(z.string(), z.string()),
    startsAt: z.string(),
    status: z.object({
      state: z.enum(['active', 'suppressed', 'unprocessed']),
      inhibitedBy: z.array(z.string()),
    }),
  }),
);

export type ActiveAlert = z.infer<typeof alertsSchema>[number];

/** Instant query; scalars are not expected. Samples that are NaN are left out. */
export const queryVector = (
  { prometheus }: Pick<StoryTargets, 'prometheus'>,
  promql: string,
): Promise<Sample[]> => prometheusAt(prometheus).query(promql);

/** Exemplars of a series selector between two moments, the largest value first. */
export const queryExemplars = ({ prometheus }: StoryTargets, selector: string, from: Date, to: Date) =>
  prometheusAt(prometheus).exemplars(selector, from, to);

/** What the Alertmanager holds now, the muted ones too. */
export async function activeAlerts(targets: StoryTargets): Promise<ActiveAlert[]> {
  return alertsSchema.parse(await request(new URL('/api/v2/alerts', targets.alertmanager).href));
}

export const setProfile = (targets: StoryTargets, profile: string) =>
  post(new URL('/profile', targets.load).href, targets.token, { profile });

export const setPhase = (targets: StoryTargets, phase: string) =>
  post(new URL('/api/phase', targets.console).href, targets.token, { phase });

/** Hands findings to the console, so that its pages show them. */
export async function deliverDiagnosis(
  { console, token }: StoryTargets,
  diagnosis: Diagnosis,
): Promise<void> {
  await request(new URL('/api/diagnosis', console).href, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(diagnosis),
  });
}

const linkSchema = z.object({ code: z.string() });

/** An address of the console that lets the browser which opens it first apply and undo. */
export async function unlockLink({ console, token }: StoryTargets): Promise<string> {
  const { code } = linkSchema.parse(await post(new URL('/api/session/link', console).href, token, {}));
  return new URL(`/#/unlock/${code}`, console).href;
}

/** The console's view of one trace, or undefined when it was sampled out or has been evicted. */
export async function fetchTrace(targets: StoryTargets, traceId: string): Promise<unknown> {
  const url = new URL(`/api/traces/${encodeURIComponent(traceId)}`, targets.console);
  const response = await fetch(url, { signal: AbortSignal.timeout(15_000) });
  if (response.status === 404) return undefined;
  if (!response.ok) throw new Error(`GET ${url.href} answered ${response.status}`);
  return response.json();
}

export async function findTraces(targets: StoryTargets, statement: string): Promise<unknown> {
  const url = new URL('/api/traces', targets.console);
  url.searchParams.set('statement', statement);
  return request(url.href);
}

/** The store that the shop uses now. */
export async function storeInForce({ shop, token }: ShopTarget): Promise<string> {
  const answer = await request(`${shop}/admin/store`, { headers: { authorization: `Bearer ${token}` } });
  return z.object({ store: z.string() }).parse(answer).store;
}

/**
 * Exchanges the shop's store at run time.
 *
 * @param drain waits until nothing uses the old one any more
 * @throws ErrorAnswer 503 when something still uses it after ten seconds: ask again
 */
export async function setStore({ shop, token }: ShopTarget, store: string, drain = false): Promise<void> {
  await post(`${shop}/admin/store`, token, { store, drain });
}

/** The most connections that the shop's pool may have. */
export async function poolMax({ shop, token }: ShopTarget): Promise<number> {
  const answer = await request(`${shop}/admin/pool`, { headers: { authorization: `Bearer ${token}` } });
  return z.object({ max: z.number() }).parse(answer).max;
}

/** Resizes the shop's pool at run time. */
export async function setPoolMax({ shop, token }: ShopTarget, max: number): Promise<void> {
  await post(`${shop}/admin/pool`, token, { max });
}
