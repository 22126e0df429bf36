import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Prometheus, prometheusAt } from './client.ts';

// A server that answers what a Prometheus does in each case; a real one answers in stack/native.e2e.test.ts.
const answers: Record<string, [status: number, body: string]> = {
  vector: [
    200,
    success({
      result: ['1', 'NaN', '+Inf', '-Inf'].map((value) => ({ metric: { le: value }, value: [7, value] })),
    }),
  ],
  matrix: [
    200,
    success({
      result: [
        {
          metric: {},
          values: [
            [0, '1'],
            [5, 'NaN'],
            [10, '3'],
          ],
        },
      ],
    }),
  ],
  exemplars: [
    200,
    success([
      {
        seriesLabels: { job: 'shop' },
        exemplars: [1, 9].map((value) => ({
          labels: { trace_id: `${value}` },
          value: `${value}`,
          timestamp: 1,
        })),
      },
    ]),
  ],
  wrong: [400, JSON.stringify({ status: 'error', errorType: 'bad_data', error: 'parse error' })],
  'given up': [503, JSON.stringify({ status: 'error' })],
  other: [200, '{"hello": "world"}'],
  page: [200, '<html>'],
  missing: [404, '{}'],
};
function success(data: unknown): string {
  return JSON.stringify({ status: 'success', data });
}

let server: Server;
let prometheus: Prometheus;
const asked: URLSearchParams[] = [];

beforeAll(async () => {
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const parameters = new URLSearchParams(body);
    asked.push(parameters);
    const [status, text] = answers[parameters.get('query') ?? ''] ?? [404, ''];
    response.writeHead(status).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  prometheus = prometheusAt(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

it('samples keep infinities and leave NaN out', async () => {
  expect(await prometheus.query('vector', 12)).toEqual([
    { labels: { le: '1' }, value: 1 },
    { labels: { le: '+Inf' }, value: Number.POSITIVE_INFINITY },
    { labels: { le: '-Inf' }, value: Number.NEGATIVE_INFINITY },
  ]);
  expect(Object.fromEntries(asked.at(-1) ?? [])).toEqual({ query: 'vector', time: '12' });
});

it('a range has numbers only', async () => {
  expect(await prometheus.range('matrix', 0, 10, 5)).toEqual([
    {
      labels: {},
      points: [
        [0, 1],
        [10, 3],
      ],
    },
  ]);
});

it('exemplars come with the largest value first', async () => {
  const found = await prometheus.exemplars('exemplars', new Date(0), new Date(1));
  expect(found.map(({ value, labels, seriesLabels }) => [value, labels, seriesLabels])).toEqual([
    [9, { trace_id: '9' }, { job: 'shop' }],
    [1, { trace_id: '1' }, { job: 'shop' }],
  ]);
});

describe('what is no answer says why', () => {
  it.each([
    ['wrong', 'QueryRefused', /parse error/],
    ['given up', 'QueryRefused', /without a reason/],
    ['other', 'NotPrometheus', /does not answer like Prometheus/],
    ['page', 'NotPrometheus', /does not answer like Prometheus/],
    ['missing', 'NotPrometheus', /status 404/],
  ])('%s: %s', async (query, name, message) => {
    await expect(prometheus.query(query)).rejects.toMatchObject({
      name,
      message: expect.stringMatching(message),
    });
  });
});
