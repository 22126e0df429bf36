import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

/** What a card network's answer takes at best, milliseconds. */
export const GATEWAY_LATENCY_MS = 40;

/** Stands in for a payment gateway: waits as long as one would, moves no money, and its reference says so. */
export async function payByStub(): Promise<{ reference: string; message: string }> {
  await sleep(GATEWAY_LATENCY_MS);
  return { reference: `stub-${randomUUID()}`, message: 'stub: no money was moved' };
}
