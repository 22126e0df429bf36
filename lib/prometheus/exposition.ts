/** A series with its labels, its type, what it is, and its value. */
export type Metric = readonly [series: string, type: 'gauge' | 'counter', help: string, value: number];

/** The text format that Prometheus scrapes, for a handful of series without state of their own. */
export const exposition = (metrics: readonly Metric[]): string =>
  metrics
    .map(([series, type, help, value]) => {
      const [name] = series.split('{');
      return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${series} ${value}\n`;
    })
    .join('');
