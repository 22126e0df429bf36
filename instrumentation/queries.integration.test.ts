import { beforeAll, describe, expect, inject, it } from 'vitest';
import { freePort } from '../lib/freePort.ts';
import { cases } from '../test/support/observed/statements.ts';
import { type ReceivedSpan, startCollector } from '../test/support/otlpCollector.ts';
import { startNode, telemetryArguments } from '../test/support/process.ts';

const application = 'test/support/observed/statements.ts';
let spans: ReceivedSpan[];
let bare: string;
let observed: string;

async function run(args: string[], env: Record<string, string> = {}): Promise<string> {
  const process = startNode([...args, application], { DATABASE_URL: inject('postgresUrl'), ...env });
  expect(await process.exited, process.output()).toBe(0);
  return process.output();
}

beforeAll(async () => {
  const collector = await startCollector();
  bare = await run([]);
  observed = await run(telemetryArguments, {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_PROMETHEUS_PORT: String(await freePort()),
  });
  collector.close();
  spans = collector.spans;
});

const named = (name: string) => spans.filter((span) => span.name === name);
const statementsOf = (name: string) => {
  const [parent] = named(name);
  return spans.filter(
    ({ parentId, attributes }) => parentId === parent?.spanId && attributes['db.system.name'],
  );
};

describe('statements, however a client is given them', () => {
  it('have the results and the errors that they have without telemetry', () => {
    // Warnings have the process's number in them.
    const outcomes = (output: string) => output.split('\n').filter((line) => line.startsWith('{'));
    expect(outcomes(bare).length).toBeGreaterThan(Object.keys(cases).length);
    expect(outcomes(observed)).toEqual(outcomes(bare));
  });

  it('have their span once', () => {
    expect(new Set(spans.map(({ spanId }) => spanId)).size).toBe(spans.length);
  });

  it.each(Object.entries(cases).map(([name, [statements]]) => [name, statements] as const))(
    '%s: %i, in their caller’s trace',
    (name, statements) => {
      expect(named(`case:${name}`)).toHaveLength(1);
      expect(statementsOf(`case:${name}`).filter(({ name: of }) => of !== 'SELECT still_there')).toHaveLength(
        // What the pool runs beside the stream.
        name === 'stream left early' ? 2 : statements,
      );
    },
  );

  it.each(Object.keys(cases).filter((name) => name.startsWith('syntax error')))(
    '%s: has the SQLSTATE',
    (name) => {
      const [span] = statementsOf(`case:${name}`);
      expect(span?.attributes).toMatchObject({ 'error.type': '42601', 'db.response.status_code': '42601' });
      expect(span?.status).toEqual({ code: 2, message: 'SQLSTATE 42601' });
    },
  );

  it.each([
    ['case:query timeout', 'query_timeout'],
    ['case:type parser that throws', '_OTHER'],
    ['case:COPY FROM that fails', '22P02'],
    ['ended', '57P01'],
    ['after the end', 'client_closed'],
  ])('%s: error type %s', (name, errorType) => {
    expect(statementsOf(name).at(-1)?.attributes['error.type']).toBe(errorType);
  });

  it('are their caller’s while others wait for the same connection', () => {
    for (let n = 1; n <= 5; n += 1) expect(statementsOf(`contended:${n}`)).toHaveLength(3);
  });

  it('are observed through promises of any library', () => {
    expect(statementsOf('bluebird')).toHaveLength(1);
  });

  it('have a trace of their own in a background job', () => {
    const roots = spans.filter(({ parentId, attributes }) => !parentId && attributes['db.system.name']);
    expect(roots.length).toBeGreaterThan(0);
  });
});

describe('statements of a background job', () => {
  it('have no span when that is switched off', async () => {
    const collector = await startCollector();
    await run(telemetryArguments, {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_PROMETHEUS_PORT: String(await freePort()),
      SQLTRAIL_ROOT_SPANS: 'false',
    });
    collector.close();
    expect(collector.spans.length).toBeGreaterThan(20);
    expect(
      collector.spans.filter(({ parentId, attributes }) => !parentId && attributes['db.system.name']),
    ).toEqual([]);
  });
});
