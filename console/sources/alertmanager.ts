import { z } from 'zod';
import { SourceUnavailable } from '../problem.ts';
import { readJson } from './http.ts';

const schema = z.array(
  z.object({
    fingerprint: z.string(),
    labels: z.record(z.string(), z.string()),
    annotations: z.record(z.string(), z.string()),
    startsAt: z.string(),
    status: z.object({
      state: z.string(),
      inhibitedBy: z.array(z.string()),
      silencedBy: z.array(z.string()),
    }),
  }),
);

export interface Alert {
  fingerprint: string;
  name: string;
  severity: string;
  layer: string;
  summary: string;
  description: string;
  /** Where a browser finds the runbook; null for an alert without one. */
  runbook: string | null;
  startsAt: string;
  /** Why nobody is told: its cause fires as well, or a person silenced it. */
  muted: 'inhibited' | 'silenced' | null;
  labels: Record<string, string>;
}

/** A runbook of this project is a file and is shown by the console; another's is a URL. */
function runbookOf(url: string | undefined): string | null {
  const own = /^docs\/runbooks\/(\w+)\.md$/.exec(url ?? '')?.[1];
  if (own) return `/runbooks/${own}`;
  return url && /^https?:\/\//.test(url) ? url : null;
}

/** What fires now: pages before tickets, causes before symptoms, muted ones last. @throws SourceUnavailable */
export async function readAlerts(url: string, signal: AbortSignal): Promise<Alert[]> {
  const alerts = await readJson(
    { name: 'Alertmanager', url, variable: 'ALERTMANAGER_URL' },
    '/api/v2/alerts',
    schema,
    { signal },
  );
  if (!alerts)
    throw new SourceUnavailable(
      'Alertmanager',
      'Something else than Alertmanager answers there.',
      'Set ALERTMANAGER_URL to its address.',
    );
  const rank = (alert: Alert) =>
    (alert.muted ? 4 : 0) + (alert.severity === 'page' ? 0 : 2) + (alert.layer === 'cause' ? 0 : 1);
  return alerts
    .map(
      ({ fingerprint, labels, annotations, startsAt, status }): Alert => ({
        fingerprint,
        name: labels['alertname'] ?? '',
        severity: labels['severity'] ?? '',
        layer: labels['layer'] ?? '',
        summary: annotations['summary'] ?? '',
        description: annotations['description'] ?? '',
        runbook: runbookOf(annotations['runbook_url']),
        startsAt,
        muted: status.inhibitedBy.length > 0 ? 'inhibited' : status.silencedBy.length > 0 ? 'silenced' : null,
        labels,
      }),
    )
    .sort((a, b) => rank(a) - rank(b) || a.startsAt.localeCompare(b.startsAt, 'en'));
}
