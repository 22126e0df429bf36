import { z } from 'zod';
import { SourceUnavailable } from '../problem.ts';

const schema = z.array(
  z.object({
    fingerprint: z.string(),
    labels: z.record(z.string(), z.string()),
    annotations: z.record(z.string(), z.string()),
    startsAt: z.string(),
    status: z.object({ state: z.string(), inhibitedBy: z.array(z.string()) }),
  }),
);

export interface Alert {
  fingerprint: string;
  name: string;
  severity: string;
  layer: string;
  summary: string;
  description: string;
  runbook: string;
  startsAt: string;
  /** Muted by a cause that fires as well. */
  muted: boolean;
  labels: Record<string, string>;
}

/** @throws SourceUnavailable */
export async function readAlerts(url: string): Promise<Alert[]> {
  let alerts: z.infer<typeof schema>;
  try {
    const response = await fetch(new URL('/api/v2/alerts', url), { signal: AbortSignal.timeout(5_000) });
    alerts = schema.parse(await response.json());
  } catch (cause) {
    throw new SourceUnavailable(
      'Alertmanager',
      `No answer from ${new URL(url).origin}.`,
      'Look whether Alertmanager runs and whether ALERTMANAGER_URL points at it.',
      { cause },
    );
  }
  const rank = (alert: Alert) =>
    (alert.muted ? 4 : 0) + (alert.severity === 'page' ? 0 : 2) + (alert.layer === 'cause' ? 0 : 1);
  return alerts
    .map(({ fingerprint, labels, annotations, startsAt, status }) => ({
      fingerprint,
      name: labels['alertname'] ?? '',
      severity: labels['severity'] ?? '',
      layer: labels['layer'] ?? '',
      summary: annotations['summary'] ?? '',
      description: annotations['description'] ?? '',
      runbook: annotations['runbook_url'] ?? '',
      startsAt,
      muted: status.inhibitedBy.length > 0,
      labels,
    }))
    .sort((a, b) => rank(a) - rank(b) || a.startsAt.localeCompare(b.startsAt));
}
