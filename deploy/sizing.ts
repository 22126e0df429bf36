import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { bytesText } from '../lib/units/format.ts';

export const MEASURED_FILE = path.join(import.meta.dirname, 'measured.json');
const ASSUMPTIONS_FILE = path.join(import.meta.dirname, 'assumptions.yaml');
export const SIZING_PAGE = path.join(import.meta.dirname, '..', 'docs', 'sizing.md');

const positive = z.number().positive();
const share = z.number().positive().max(1);

/** What `deploy/measure.ts` read from the running stack. */
const measuredSchema = z.strictObject({
  measuredOn: z.iso.date(),
  command: z.string(),
  seconds: positive,
  cores: z.int().positive(),
  /** OTLP protobuf as the shop sends it, without compression. */
  bytesPerSpan: positive,
  /** The same as it went over the wire. */
  wireBytesPerSpan: positive,
  spansPerRequest: positive,
  /** Of all spans, those that the tail sampling kept. */
  keptShare: share,
  seriesPerShop: positive,
  seriesPerPostgres: positive,
  /** Made from spans by the collector. */
  seriesOfSpans: positive,
  headSeries: positive,
  /** Resident memory of Prometheus over its series: with few series mostly its fixed part, so an upper bound. */
  memoryPerSeries: positive,
});
export type Measured = z.infer<typeof measuredSchema>;

const assumptionsSchema = z.strictObject({
  peakRequestsPerSecond: positive,
  meanShareOfPeak: share,
  shopInstances: z.int().positive(),
  postgresServers: z.int().positive(),
  gateways: z.int().positive(),
  otherSeries: z.int().nonnegative(),
  scrapeSeconds: positive,
  metricsRetentionDays: z.int().positive(),
  tracesRetentionDays: z.int().positive(),
  bytesPerSample: positive,
  blockCompression: share,
  replication: z.int().positive(),
  headroom: z.number().min(1),
  memoryPerSpanFactor: z.number().min(1),
});
export type Assumptions = z.infer<typeof assumptionsSchema>;

/** @throws Error naming the file, the field and what is wrong with it */
async function read<T>(file: string, schema: z.ZodType<T>): Promise<T> {
  const parsed = schema.safeParse(parse(await readFile(file, 'utf8')));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`${file}: ${issue?.path.join('.') || 'the whole'}: ${issue?.message}`);
}
export const readMeasured = (file = MEASURED_FILE) => read(file, measuredSchema);
export const readAssumptions = (file = ASSUMPTIONS_FILE) => read(file, assumptionsSchema);

export interface Size {
  id: string;
  what: string;
  value: number;
  unit: 'spans/s' | 'series' | 'samples/s' | 'bytes' | 'bytes/s' | 'spans';
  how: string;
}

/** The tail sampling of collector/collector.yaml waits this long before it decides, seconds. */
export const DECISION_WAIT_SECONDS = 5;
/** A wait is as long as the late rest of a trace may need: what is held is that of so many waits. */
const WAITS_HELD = 2;
const DAY = 86_400;

/** What the telemetry of a shop of that size needs. Bytes are 10^0, rates those of the peak unless it says otherwise. */
export function sizing(measured: Measured, assumed: Assumptions): Size[] {
  const spans = assumed.peakRequestsPerSecond * measured.spansPerRequest;
  const held = (spans * DECISION_WAIT_SECONDS * WAITS_HELD) / assumed.gateways;
  const gatewayMemory = held * measured.bytesPerSpan * assumed.memoryPerSpanFactor * assumed.headroom;
  const kept = spans * assumed.meanShareOfPeak * measured.keptShare;
  const traceBytes =
    kept * DAY * assumed.tracesRetentionDays * measured.bytesPerSpan * assumed.blockCompression;
  const series =
    assumed.shopInstances * measured.seriesPerShop +
    assumed.postgresServers * measured.seriesPerPostgres +
    assumed.gateways * measured.seriesOfSpans +
    assumed.otherSeries;
  const samples = series / assumed.scrapeSeconds;
  const ingesterMemory = series * measured.memoryPerSeries * assumed.headroom;
  const metricBytes = samples * DAY * assumed.metricsRetentionDays * assumed.bytesPerSample;
  const size = (id: string, what: string, value: number, unit: Size['unit'], how: string): Size => ({
    id,
    what,
    value,
    unit,
    how,
  });
  return [
    size('spans', 'Spans at the peak', spans, 'spans/s', 'peak requests x spans a request'),
    size(
      'agent-bytes',
      'From agents to gateways',
      spans * measured.wireBytesPerSpan,
      'bytes/s',
      'spans x bytes a span on the wire',
    ),
    size(
      'held-spans',
      'Spans that a gateway holds until it decides',
      held,
      'spans',
      `spans x ${DECISION_WAIT_SECONDS} s x ${WAITS_HELD} / gateways`,
    ),
    size(
      'gateway-memory',
      'Memory of a gateway for them',
      gatewayMemory,
      'bytes',
      'held spans x bytes a span x factor x headroom',
    ),
    size(
      'trace-storage',
      'Traces in the object store',
      traceBytes,
      'bytes',
      'spans x mean share x kept share x retention x bytes a span x compression',
    ),
    size(
      'series',
      'Active series',
      series,
      'series',
      'series of all shops, Postgres servers and gateways, and the others',
    ),
    size('samples', 'Samples', samples, 'samples/s', 'series / scrape interval'),
    size(
      'ingester-memory',
      `Memory of an ingester (as many as replicas: ${assumed.replication})`,
      ingesterMemory,
      'bytes',
      'series x memory a series x headroom; with so few ingesters, each one holds all series',
    ),
    size(
      'metric-storage',
      'Metrics in the object store',
      metricBytes,
      'bytes',
      'samples x retention x bytes a sample',
    ),
  ];
}

const three = (value: number) => value.toLocaleString('en', { maximumSignificantDigits: 3 });
export function sizeText({ value, unit }: Pick<Size, 'value' | 'unit'>): string {
  if (!unit.startsWith('bytes')) return `${three(value)} ${unit}`;
  return `${bytesText(value)}${unit.slice('bytes'.length)}`;
}

/** docs/sizing.md. */
export function sizingPage(measured: Measured, assumed: Assumptions): string {
  const rows = sizing(measured, assumed).map((size) => `| ${size.what} | ${sizeText(size)} | ${size.how} |`);
  return `# Sizing of the telemetry

This page belongs to [deploy.md](deploy.md). \`npm run docs\` generates it from \`deploy/measured.json\` and \`deploy/assumptions.yaml\`; replace the assumptions by your own.

Measured on ${measured.measuredOn} by \`${measured.command}\` (${measured.cores} cores, the sample shop under ordinary load): ${measured.bytesPerSpan} bytes for each span in OTLP and ${measured.wireBytesPerSpan} on the wire; ${measured.spansPerRequest} spans for each request, of which tail sampling keeps ${three(measured.keptShare * 100)} %; ${measured.seriesPerShop} series for each shop, ${measured.seriesPerPostgres} for each Postgres server, and ${measured.seriesOfSpans} made from spans; ${three(measured.memoryPerSeries)} bytes of memory in Prometheus for each series (an upper bound: with ${three(measured.headSeries)} series, most of it is Prometheus itself).

| What | Size | How |
| --- | ---: | --- |
${rows.join('\n')}
`;
}

if (process.argv[1] === import.meta.filename) {
  const [flag, file] = process.argv.slice(2);
  if (flag === '--assumptions' && file) {
    for (const size of sizing(await readMeasured(), await readAssumptions(file)))
      process.stdout.write(`${size.what.padEnd(46)} ${sizeText(size).padStart(16)}   ${size.how}\n`);
  } else {
    await writeFile(SIZING_PAGE, sizingPage(await readMeasured(), await readAssumptions()));
  }
}
