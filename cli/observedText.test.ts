import { expect, it } from 'vitest';
import { startLines } from './observedText.ts';

it.each([
  [[], ''],
  [['127.0.0.1:9464'], ''],
  [['localhost'], ''],
  [['[::1]:9470'], 'OTEL_EXPORTER_PROMETHEUS_PORT=9470 '],
  [['127.0.0.1:9470'], 'OTEL_EXPORTER_PROMETHEUS_PORT=9470 '],
  [['orders-1:9464', 'orders-2:9464'], 'OTEL_EXPORTER_PROMETHEUS_HOST=0.0.0.0 '],
  [['10.0.0.7:80'], 'OTEL_EXPORTER_PROMETHEUS_HOST=0.0.0.0 OTEL_EXPORTER_PROMETHEUS_PORT=80 '],
])('a service that is scraped at %j is started so that its metrics are there', (metrics, variables) => {
  expect(startLines([{ name: 'orders', metrics }], 'http://127.0.0.1:4318')[1]).toBe(
    `  OTEL_SERVICE_NAME=orders OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 ${variables}node --import @sqltrail/instrumentation app.js`,
  );
});
