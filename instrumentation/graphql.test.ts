import { once } from 'node:events';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { context, type Span } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { type RPCMetadata, RPCType, setRPCMetadata } from '@opentelemetry/core';
import express from 'express';
import fc from 'fast-check';
import type graphqlTypes from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { propertyRuns } from '../test/support/property.ts';
import { MAX_OPERATIONS, noteOperation, OperationInstrumentation, observed, operationOf } from './graphql.ts';
import { patchRouter } from './routes.ts';

// First, as in a service.
const instrumentation = new OperationInstrumentation();
// CommonJS, as Node loads it.
const require = createRequire(import.meta.url);
const graphql16 = require('graphql') as typeof graphqlTypes;
const graphql17 = require('graphql17') as Graphql;

beforeAll(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  patchRouter(express.Router as never);
});
afterAll(() => {
  instrumentation.disable();
  context.disable();
});

type Graphql = Pick<typeof graphqlTypes, 'buildSchema' | 'graphql'>;
const SCHEMA = `
  type Product { id: ID!, name: String }
  type Query { products: [Product], product(id: ID!): Product, me: String, a: Int, b: Int, c: Int, d: Int }
  type Mutation { buy(id: ID!): Boolean }`;

/** Sends the operations of a request to a service at /shop-api, one after the other. @returns its route, and that of its statements */
async function routesOf(
  graphql: Graphql,
  operations: readonly { query: string; operationName?: string; variables?: Record<string, unknown> }[],
) {
  const attributes: Record<string, unknown> = {};
  const span = { setAttributes: (given: object) => Object.assign(attributes, given) } as unknown as Span;
  const metadata: RPCMetadata = { type: RPCType.HTTP, span };
  const inside: (string | undefined)[] = [];
  const schema = graphql.buildSchema(SCHEMA);
  const resolve = async () => {
    await Promise.resolve();
    inside.push(metadata.route);
    return null;
  };
  const app = express();
  app.use((_request, _response, next) => context.with(setRPCMetadata(context.active(), metadata), next));
  app.use('/shop-api', async (_request, response) => {
    for (const { query, operationName, variables } of operations)
      await graphql.graphql({
        schema,
        source: query,
        rootValue: { products: resolve, product: resolve, me: resolve, a: resolve, b: resolve, buy: resolve },
        ...(operationName ? { operationName } : {}),
        ...(variables ? { variableValues: variables } : {}),
      });
    response.end();
  });
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/shop-api`, { method: 'POST' });
  server.close();
  server.closeAllConnections();
  return { route: metadata.route, inside, attributes };
}

describe.each<[string, Graphql]>([
  ['graphql-js 16', graphql16],
  ['graphql-js 17', graphql17],
])('%s', (_name, graphql) => {
  it.each<[string, string, string | undefined, string]>([
    ['a name', 'query Search { products { id } }', undefined, 'query Search'],
    ['no name: its fields', '{ me products { id } __typename }', undefined, 'query me products'],
    ['the name that the request gives', 'query A { me } mutation Buy { buy(id: 1) }', 'Buy', 'mutation Buy'],
    ['many fields', '{ a b c d }', undefined, 'query a b c …'],
    ['an alias, which is the client’s', '{ anna_at_example_com: me }', undefined, 'query me'],
    ['an introspection', '{ __schema { queryType { name } } }', undefined, 'query __schema'],
    [
      'fragments',
      '{ ...Mine ... on Query { b } } fragment Mine on Query { a ...Yours } fragment Yours on Query { me }',
      undefined,
      'query a b me',
    ],
    ['a name of the length of a text', `query ${'x'.repeat(80)} { me }`, undefined, 'query me'],
  ])('%s', async (_what, query, operationName, operation) => {
    const { route, attributes } = await routesOf(graphql, [
      { query, ...(operationName ? { operationName } : {}) },
    ]);
    expect(route).toBe(`/shop-api ${operation}`);
    const [type, ...name] = operation.split(' ');
    expect(attributes).toEqual({ 'graphql.operation.type': type, 'graphql.operation.name': name.join(' ') });
  });

  it('the statements of an operation have its route, and no value is in it', async () => {
    const query = 'query One($id: ID!) { product(id: $id) { name } }';
    const { route, inside } = await routesOf(graphql, [{ query, variables: { id: 'anna@example.com' } }]);
    expect([route, ...inside]).toEqual(['/shop-api query One', '/shop-api query One']);
  });

  it('a request of several operations has the route of its endpoint', async () => {
    const query = 'query Twice { me }';
    expect((await routesOf(graphql, [{ query }, { query }])).route).toBe('/shop-api query Twice');
    const { route, inside } = await routesOf(graphql, [{ query }, { query: '{ a }' }, { query: '{ b }' }]);
    expect(route).toBe('/shop-api');
    expect(inside.slice(1)).toEqual(['/shop-api', '/shop-api']);
  });

  it.each([
    ['nothing that can be parsed', 'query {'],
    ['an unknown field', '{ nothing }'],
  ])('%s stays with the endpoint', async (_what, query) => {
    expect((await routesOf(graphql, [{ query }])).route).toBeUndefined();
  });
});

it('reads any document that graphql-js can print, and names nothing but names of the schema or of the operation', () => {
  const name = fc.stringMatching(/^[_A-Za-z][_0-9A-Za-z]{0,8}$/);
  const field = fc.record({ name, alias: fc.option(name), value: fc.string() });
  fc.assert(
    fc.property(fc.option(name), fc.array(field, { minLength: 1, maxLength: 6 }), (operation, fields) => {
      const text = `query ${operation ?? ''} { ${fields.map((each) => `${each.alias ? `${each.alias}: ` : ''}${each.name}(x: ${JSON.stringify(each.value.replace(/[^ -~]/g, ''))})`).join(' ')} }`;
      const found = operationOf({ document: graphql16.parse(text) as never });
      expect(found?.type).toBe('query');
      const allowed = operation ? [operation] : [...fields.map((each) => each.name), '…'];
      for (const word of found?.name.split(' ').filter(Boolean) ?? []) expect(allowed).toContain(word);
    }),
    { numRuns: propertyRuns(100) },
  );
});

describe('never changes what the application gets', () => {
  it.each<[string, unknown[]]>([
    ['nothing', []],
    ['no object', [7]],
    ['no document', [{}]],
    ['a document of another kind', [{ document: { definitions: [null] } }]],
    ['arguments one by one', [{}, graphql16.parse('{ me }'), 1, 2, 3, 'Unknown']],
  ])('%s', (_what, given) => {
    const metadata = { type: RPCType.HTTP, span: {} as Span } as RPCMetadata;
    const receiver = {};
    const seen: unknown[] = [];
    const execute = observed(function original(this: unknown, ...args) {
      seen.push(this, ...args);
      return 'answer';
    });
    context.with(setRPCMetadata(context.active(), metadata), () =>
      expect(Reflect.apply(execute, receiver, given)).toBe('answer'),
    );
    expect(seen).toEqual([receiver, ...given]);
  });

  it('outside of a request nothing is noted', () => {
    expect(() => noteOperation({ document: graphql16.parse('{ me }') as never })).not.toThrow();
  });
});

it('names that clients make up are bounded', () => {
  const routes = new Set<string | undefined>();
  for (let at = 0; at < MAX_OPERATIONS * 2; at += 1) {
    const metadata: RPCMetadata = { type: RPCType.HTTP, span: { setAttributes() {} } as unknown as Span };
    context.with(setRPCMetadata(context.active(), metadata), () =>
      noteOperation({ document: graphql16.parse(`query made_up_${at} { me }`) as never }),
    );
    routes.add(metadata.route);
  }
  expect(routes.size).toBeLessThanOrEqual(MAX_OPERATIONS + 1);
  expect(routes).toContain(undefined);
});
