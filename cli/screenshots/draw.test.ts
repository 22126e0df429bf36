import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { kpiStat } from '../../dashboards/panel.ts';
import { dashboards } from '../../dashboards/panels.ts';
import type { PanelReading, Series } from '../../dashboards/reading.ts';
import { kpiById } from '../../kpis/catalogue.ts';
import { TIMELINES } from '../../report/evidence.ts';
import { readRecording } from '../../report/recording.ts';
import { type Picture, pictureHtml } from './draw.ts';
import { recordedDashboard } from './recorded.ts';

const fixture = path.join(import.meta.dirname, '../../report/fixtures/recording.json');
const range = { from: new Date('2026-01-01T10:00:00Z'), to: new Date('2026-01-01T10:10:00Z') };
const at = range.to.getTime() / 1000;
const one = (value: number, labels: Series['labels'] = {}): Series => ({ labels, points: [[at, value]] });

const stat = kpiStat(kpiById('request-failure-ratio'));
const picture = (
  readings: Record<string, PanelReading>,
  panels: Picture['dashboard']['rows'][number]['panels'],
) =>
  pictureHtml({
    dashboard: {
      id: 'test',
      title: 'sqltrail: test',
      description: 'A page.',
      audience: 'sre',
      minutes: 10,
      rows: [{ question: 'Is it well?', panels }],
    },
    readings: new Map(Object.entries(readings)),
    heading: 'peak',
    source: 'here',
    range,
    bands: [{ title: 'peak', ...range }],
    phases: ['ordinary', 'peak'],
  });

describe('a picture', () => {
  it('says in words whether an objective is met', () => {
    expect(picture({ [stat.id]: { queries: [[one(0.2)]] } }, [stat])).toMatch(/20 %.*✗ missed.*at most 1 %/s);
    expect(picture({ [stat.id]: { queries: [[one(0.01)]] } }, [stat])).toMatch(/1 %.*✓ met/s);
  });

  it('says where nothing was measured, and leaves out what was not asked', () => {
    expect(picture({ [stat.id]: { queries: [[]] } }, [stat])).toContain('Nothing was measured');
    expect(picture({}, [stat])).toBeUndefined();
  });

  it.each(['table', 'lines', 'bars', 'stat'] as const)('takes hostile names in %s as text', (kind) => {
    const name = '<img src=x onerror=alert(1)>';
    const panel = {
      ...stat,
      kind,
      queries: [{ promql: 'x', legend: '{{name}}' }] as [{ promql: string; legend: string }],
      labels: { name: 'Name' },
      title: name,
      ...(kind === 'stat' ? { showsName: true } : {}),
    };
    const html =
      picture({ [stat.id]: { queries: [[one(1, { name }), one(2, { name: 'b' })]] } }, [panel]) ?? '';
    expect(html).toContain('&lt;img src=x');
    expect(html).not.toContain('<img');
  });
});

it('from a recording has every KPI of a phase', async () => {
  const recording = await readRecording(fixture);
  const peak = recording.phases.filter(({ name }) => name === 'peak');
  const overview = dashboards.find(({ id }) => id === 'overview');
  if (!overview) throw new Error('there is no overview');
  const { readings } = recordedDashboard(recording, peak, overview);
  const last = peak[0]?.samples.at(-1)?.kpis ?? [];
  // The committed recording keeps the KPIs that are drawn over time (report/docsPage.ts).
  expect(last.map(({ id }) => id).sort()).toEqual([...TIMELINES].sort());
  for (const { id, value } of last)
    if (value !== null)
      expect(readings.get(`${id}-now`)?.queries[0]?.[0]?.points.at(-1)?.[1], id).toBe(value);
});
