import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { type RPCMetadata, RPCType, setRPCMetadata } from '@opentelemetry/core';
import express from 'express';
// @ts-expect-error It has no types of its own; what is used of it is as in Express 5.
import express4 from 'express4';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { propertyRuns } from '../test/support/property.ts';
import { mountedAt, patchRouter } from './routes.ts';

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  for (const { Router } of [express, express4]) patchRouter(Router as never);
});
afterAll(() => context.disable());

type Express = typeof express;
type App = ReturnType<Express>;

/** Sends a request through an application as HttpInstrumentation does, and returns its status and route. */
async function routeOf(app: App, url: string): Promise<[number, string | undefined]> {
  const metadata = { type: RPCType.HTTP } as RPCMetadata;
  let received: IncomingMessage | undefined;
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    received = request;
    context.with(setRPCMetadata(context.active(), metadata), () => app(request as never, response as never));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { status } = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${url}`);
  server.close();
  server.closeAllConnections();
  return [status, metadata.route ?? mountedAt(received as object)];
}

const answer = (_request: unknown, response: { end(text: string): void }) => response.end('answered');

describe.each([
  ['Express 4', express4 as unknown as Express],
  ['Express 5', express],
])('%s', (_name, make) => {
  it.each<[string, (app: App) => void, url: string, [number, string | undefined]]>([
    ['a route', (app) => app.get('/p/:id', answer), '/p/7', [200, '/p/:id']],
    ['the root', (app) => app.get('/', answer), '/', [200, '/']],
    ['a router’s root', (app) => app.use('/api', make.Router().get('/', answer)), '/api', [200, '/api']],
    [
      'two routers at one path',
      (app) => {
        app.use('/api', make.Router().get('/a/:id', answer));
        app.use('/api', make.Router().get('/b/:id', answer));
      },
      '/api/b/1',
      [200, '/api/b/:id'],
    ],
    [
      'a mounted application',
      (app) => app.use('/api', make().use('/v1', make.Router().get('/p/:id', answer))),
      '/api/v1/p/1',
      [200, '/api/v1/p/:id'],
    ],
    [
      'a parameter in a mount',
      (app) => app.use('/customers/:customer', make.Router({ mergeParams: true }).get('/orders', answer)),
      '/customers/anna/orders',
      [200, '/customers/:customer/orders'],
    ],
    ['a mounted handler', (app) => app.use('/graphql', answer as never), '/graphql', [200, '/graphql']],
    [
      'a middleware that refuses',
      (app) => {
        app.use((_request, response) => void response.status(401).end());
        app.get('/p', answer);
      },
      '/p',
      [401, undefined],
    ],
    ['nothing', (app) => app.get('/p', answer), '/q', [404, undefined]],
    [
      'a route that hands on',
      (app) => {
        app.get('/p/:id', (_request, _response, next) => next());
        app.get('/p/x', answer);
      },
      '/p/x',
      [200, '/p/x'],
    ],
    [
      'a route that fails',
      (app) => {
        app.use(
          '/api',
          make.Router().get('/p/:id', () => {
            throw new Error('failed');
          }),
        );
        app.use(((
          _error: Error,
          _request: unknown,
          response: { statusCode: number; end(): void },
          _next: unknown,
        ) => {
          response.statusCode = 500;
          response.end();
        }) as never);
      },
      '/api/p/1',
      [500, '/api/p/:id'],
    ],
    [
      'several handlers and methods',
      (app) =>
        app
          .route('/p/:id')
          .all((_request, _response, next) => next())
          .get(answer),
      '/p/1',
      [200, '/p/:id'],
    ],
    ['one of several paths', (app) => app.get(['/p', '/q/:id'], answer), '/q/1', [200, '/p,/q/:id']],
    ['a pattern', (app) => app.get(/^\/p\d+$/, answer), '/p12', [200, '/^\\/p\\d+$/']],
  ])('%s', async (_case, build, url, expected) => {
    const app = make();
    app.set('env', 'test');
    build(app);
    expect(await routeOf(app, url)).toEqual(expected);
  });

  /** Routers and applications in each other, with routes that have a name of their own. */
  interface Tree {
    mount: string;
    isApplication: boolean;
    leaves: number;
    inner: Tree[];
  }
  const tree = fc.letrec<{ tree: Tree }>((tie) => ({
    tree: fc.record({
      mount: fc.constantFrom('/', '/a', '/b', '/:x', '/a/:y', '/b/'),
      isApplication: fc.boolean(),
      leaves: fc.nat(2),
      inner: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.constant<Tree[]>([]),
        fc.array(tie('tree'), { maxLength: 3 }),
      ),
    }),
  })).tree;

  it('has the path of every layer around a route once, however they are nested', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(tree, { minLength: 1, maxLength: 3 }), async (trees) => {
        const expected = new Map<string, string>();
        let leaf = 0;
        const build = (into: App, { mount, isApplication, leaves, inner }: Tree, around: string) => {
          const own = isApplication ? make() : (make.Router() as unknown as App);
          const here = around + mount.replace(/\/$/, '');
          // A middleware on each level, which hands on.
          own.use((_request, _response, next) => next());
          for (let i = 0; i < leaves; i += 1) {
            leaf += 1;
            own.get(`/leaf${leaf}`, answer);
            expected.set(`${here}/leaf${leaf}`.replace(/:\w/g, 'value'), `${here}/leaf${leaf}`);
          }
          for (const child of inner) build(own, child, here);
          into.use(mount, own);
        };
        const app = make();
        for (const one of trees) build(app, one, '');
        for (const [url, route] of [...expected].slice(0, 6))
          expect(await routeOf(app, url)).toEqual([200, route]);
      }),
      { numRuns: propertyRuns(20) },
    );
  });
});
