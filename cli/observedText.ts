import type { Config } from '../config/schema.ts';
import { leftOut } from '../kpis/catalogue.ts';

/** How services are started so that they are observed: a heading and a line each. */
export const startLines = (services: readonly { name: string }[], collector: string): string[] => [
  'Start each service with:',
  ...services.map(
    ({ name }) =>
      `  OTEL_SERVICE_NAME=${name} OTEL_EXPORTER_OTLP_ENDPOINT=${collector} node --import @sqltrail/instrumentation app.js`,
  ),
];

/** The KPIs that a configuration has not what they need for, under a heading; none where it has all. */
export function leftOutLines(config: Config): string[] {
  const lacking = leftOut(config);
  return lacking.length === 0 ? [] : ['Left out:', ...lacking.map(({ id, lack }) => `  ${id}: ${lack}`)];
}
