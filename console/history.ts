import { createHash } from 'node:crypto';
import { cut } from './cut.ts';
import type { Notification } from './notifications.ts';
import type { Alert } from './sources/alertmanager.ts';

/** One alert from when it began to fire until it was resolved. Times are ISO 8601. */
export interface AlertInterval {
  name: string;
  severity: string;
  summary: string;
  /** `db_query_summary` of an alert that names a statement. */
  statement: string | null;
  startsAt: string;
  /** Null while it fires. */
  endsAt: string | null;
}

/** The story has about forty. */
const MAX_INTERVALS = 500;
/** Of a text that is shown; longer ones are cut. */
const MAX_CHARACTERS = 512;

const shown = (text: string) => cut(text, MAX_CHARACTERS);

/** Which alerts fired when: from what Alertmanager delivers, and from what it holds while a page looks on. */
export class AlertHistory {
  /** By labels and start, in order of arrival. */
  readonly #known = new Map<string, AlertInterval>();

  /** Oldest first. */
  get intervals(): AlertInterval[] {
    return [...this.#known.values()].sort((a, b) => a.startsAt.localeCompare(b.startsAt, 'en'));
  }

  notified({ status, labels, annotations, startsAt, endsAt }: Notification): void {
    this.#put(
      labels,
      annotations['summary'] ?? '',
      startsAt,
      status === 'resolved' ? (endsAt ?? startsAt) : null,
    );
  }

  /** All that fire now: one that is not among them has ended, though nobody said so. */
  observed(alerts: readonly Alert[]): void {
    const firing = new Set(
      alerts.map(({ labels, summary, startsAt }) => this.#put(labels, summary, startsAt, null)),
    );
    const now = new Date().toISOString();
    for (const [key, interval] of this.#known)
      if (interval.endsAt === null && !firing.has(key)) interval.endsAt = now;
  }

  #put(labels: Record<string, string>, summary: string, startsAt: string, endsAt: string | null): string {
    const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
    // The API and the webhook of Alertmanager write the same moment in two ways, as 0.740 and 0.74 seconds.
    const moment = Date.parse(startsAt) || startsAt;
    // Labels may be long, and their number is not ours to choose.
    const key = createHash('sha256')
      .update(JSON.stringify([moment, sorted]))
      .digest('base64');
    const known = this.#known.get(key);
    if (known) known.endsAt = endsAt;
    else
      this.#known.set(key, {
        name: shown(labels['alertname'] ?? ''),
        severity: shown(labels['severity'] ?? ''),
        summary: shown(summary),
        statement: labels['db_query_summary'] === undefined ? null : shown(labels['db_query_summary']),
        startsAt,
        endsAt,
      });
    if (this.#known.size > MAX_INTERVALS) this.#known.delete(this.#known.keys().next().value as string);
    return key;
  }
}
