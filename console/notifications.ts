import { z } from 'zod';
import { cut } from './cut.ts';

/** An alert has a dozen labels, and a text of a few lines; the rest is somebody's mistake, or worse. */
const MAX_PAIRS = 64;
const MAX_NAME_CHARACTERS = 256;
const MAX_VALUE_CHARACTERS = 4_096;
const MAX_ALERTS = 1_000;

/**
 * Long names and values are cut, and pairs beyond the first are left out: what an alert says must arrive even where
 * it says too much.
 */
const pairs = z.record(z.string(), z.string()).transform((given) =>
  Object.fromEntries(
    Object.entries(given)
      .slice(0, MAX_PAIRS)
      .map(([name, value]) => [cut(name, MAX_NAME_CHARACTERS), cut(value, MAX_VALUE_CHARACTERS)]),
  ),
);
const moment = z.iso.datetime({ offset: true }).max(64);

const alertSchema = z.object({
  status: z.enum(['firing', 'resolved']),
  labels: pairs,
  annotations: pairs.default({}),
  startsAt: moment,
  endsAt: moment.optional(),
  fingerprint: z.string().max(64).optional(),
});

/** Alertmanager's webhook, version 4; only what is shown. */
export const webhookSchema = z.object({
  // Counted before each is looked at.
  alerts: z.array(z.unknown()).max(MAX_ALERTS).pipe(z.array(alertSchema)),
});

export type Notification = z.infer<typeof alertSchema> & {
  /** ISO 8601. */
  receivedAt: string;
};

const MAX_NOTIFICATIONS = 200;
/** As JSON. Alerts of the usual size have a kilobyte each. */
const MAX_CHARACTERS = 2_000_000;

/** What Alertmanager told us, newest first. */
export class Notifications {
  readonly #kept: { notification: Notification; characters: number }[] = [];
  #characters = 0;

  get all(): readonly Notification[] {
    return this.#kept.map(({ notification }) => notification);
  }

  /** @returns what was added */
  add({ alerts }: z.infer<typeof webhookSchema>): Notification[] {
    const receivedAt = new Date().toISOString();
    const added = alerts.map((alert) => ({ receivedAt, ...alert }));
    for (const notification of added.toReversed()) {
      const characters = JSON.stringify(notification).length;
      this.#kept.unshift({ notification, characters });
      this.#characters += characters;
      while (this.#kept.length > MAX_NOTIFICATIONS || this.#characters > MAX_CHARACTERS)
        this.#characters -= this.#kept.pop()?.characters ?? 0;
    }
    return added;
  }
}
