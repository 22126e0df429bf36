/** A series with its labels, its type, what it is, and its value. */
export type Metric = readonly [series: string, type: 'gauge' | 'counter', help: string, value: number];

const escaped = (value: string) =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');

/** A series by its labels, whatever their values are. */
export const seriesOf = (name: string, labels: Record<string, string>): string =>
  `${name}{${Object.entries(labels)
    .map(([label, value]) => `${label}="${escaped(value)}"`)
    .join(',')}}`;

/** The text format that Prometheus scrapes, for series without state of their own; those of one name stand together. */
export function exposition(metrics: readonly Metric[]): string {
  const families = new Map<string, { head: string; lines: string[] }>();
  for (const [series, type, help, value] of metrics) {
    const [name = ''] = series.split('{');
    const family = families.get(name) ?? {
      head: `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`,
      lines: [],
    };
    family.lines.push(`${series} ${value}\n`);
    families.set(name, family);
  }
  return [...families.values()].map(({ head, lines }) => head + lines.join('')).join('');
}
