import { z } from 'zod';

/** Alertmanager's webhook, version 4; only what is shown. */
export const webhookSchema = z.object({
  alerts: z.array(
    z.object({
      status: z.enum(['firing', 'resolved']),
      labels: z.record(z.string(), z.string()),
      annotations: z.record(z.string(), z.string()).default({}),
      startsAt: z.string(),
      endsAt: z.string().optional(),
      fingerprint: z.string().optional(),
    }),
  ),
});

export type Notification = z.infer<typeof webhookSchema>['alerts'][number] & {
  /** ISO 8601. */
  receivedAt: string;
};

const MOST_NOTIFICATIONS = 200;

/** What Alertmanager told us, newest first. */
export class Notifications {
  readonly #kept: Notification[] = [];

  get all(): readonly Notification[] {
    return this.#kept;
  }

  /** @returns what was added */
  add({ alerts }: z.infer<typeof webhookSchema>): Notification[] {
    const receivedAt = new Date().toISOString();
    const added = alerts.map((alert) => ({ receivedAt, ...alert }));
    this.#kept.unshift(...added);
    this.#kept.length = Math.min(this.#kept.length, MOST_NOTIFICATIONS);
    return added;
  }
}
