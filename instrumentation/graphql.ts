import { tracingChannel } from 'node:diagnostics_channel';
import { context } from '@opentelemetry/api';
import { getRPCMetadata, type RPCMetadata, RPCType } from '@opentelemetry/core';
import {
  InstrumentationBase,
  InstrumentationNodeModuleDefinition,
  InstrumentationNodeModuleFile,
} from '@opentelemetry/instrumentation';
import { mountOf } from './routes.ts';

/** What is read of graphql-js's syntax tree. */
interface Selection {
  kind: string;
  name?: { value: string };
  selectionSet?: SelectionSet;
}
interface SelectionSet {
  selections: readonly Selection[];
}
interface Definition {
  kind: string;
  operation?: string;
  name?: { value: string } | undefined;
  selectionSet?: SelectionSet;
}
interface Execution {
  document?: { definitions?: readonly Definition[] };
  operationName?: string | null | undefined;
}
type Execute = (...args: unknown[]) => unknown;

/** Operations that a process tells apart; the names of further ones could be anything that clients send. */
export const MAX_OPERATIONS = 200;
/** A longer name is more likely made by a program than given by somebody. */
const MAX_NAME = 64;
const MAX_FIELDS = 3;

/** The fields that an operation asks for, those of fragments included. */
function rootFields(definitions: readonly Definition[], { selections }: SelectionSet): string[] {
  const open = [...selections];
  const seen = new Set<string>();
  const fields = new Set<string>();
  for (let next = open.shift(); next; next = open.shift()) {
    const name = next.name?.value ?? '';
    if (next.kind === 'Field') fields.add(name);
    else if (next.kind === 'InlineFragment') open.push(...(next.selectionSet?.selections ?? []));
    else if (!seen.has(name)) {
      seen.add(name);
      const fragment = definitions.find(
        (each) => each.kind === 'FragmentDefinition' && each.name?.value === name,
      );
      open.push(...(fragment?.selectionSet?.selections ?? []));
    }
  }
  fields.delete('__typename');
  return [...fields];
}

/** @returns its type, and its name or, where it has none, the fields that it asks for; undefined for none to execute */
export function operationOf({
  document,
  operationName,
}: Execution): { type: string; name: string } | undefined {
  const definitions = document?.definitions ?? [];
  const operations = definitions.filter(({ kind }) => kind === 'OperationDefinition');
  const operation = operationName
    ? operations.find(({ name }) => name?.value === operationName)
    : operations.length === 1
      ? operations[0]
      : undefined;
  if (!operation?.operation || !operation.selectionSet) return undefined;
  const name = operation.name?.value ?? '';
  if (name && name.length <= MAX_NAME) return { type: operation.operation, name };
  const fields = rootFields(definitions, operation.selectionSet);
  const shown = fields.slice(0, MAX_FIELDS).join(' ');
  return { type: operation.operation, name: fields.length > MAX_FIELDS ? `${shown} …` : shown };
}

const known = new Set<string>();
const requests = new WeakMap<RPCMetadata, { endpoint: string; operation: string }>();

/** Has the request in which an operation is executed carry its name behind the path of the endpoint. */
export function noteOperation(execution: Execution): void {
  const metadata = getRPCMetadata(context.active());
  if (metadata?.type !== RPCType.HTTP) return;
  const found = operationOf(execution);
  if (!found) return;
  const operation = `${found.type} ${found.name}`;
  if (known.size >= MAX_OPERATIONS && !known.has(operation)) return;
  known.add(operation);
  const before = requests.get(metadata);
  const endpoint = before?.endpoint ?? metadata.route ?? mountOf(metadata) ?? '';
  if (before) {
    // A request of several operations is none of them.
    if (before.operation !== operation) metadata.route = endpoint || '/';
    return;
  }
  requests.set(metadata, { endpoint, operation });
  metadata.route = `${endpoint} ${operation}`.trim();
  metadata.span.setAttributes({ 'graphql.operation.type': found.type, 'graphql.operation.name': found.name });
}

/** Telemetry must not change what the application gets, whatever it passes. */
function quietly(execution: unknown): void {
  try {
    noteOperation(execution as Execution);
  } catch {
    // What is no execution of an operation is graphql-js's to refuse.
  }
}

export const observed = (execute: Execute): Execute =>
  function observedExecute(this: unknown, ...args) {
    // Up to version 15 its arguments may come one by one.
    quietly(args.length > 1 ? { document: args[1], operationName: args[5] } : args[0]);
    return execute.apply(this, args);
  };

/** Of graphql-js from version 17. */
const executions = tracingChannel('graphql:execute');
const onExecution = { start: quietly };

/**
 * Tells the operations of a GraphQL endpoint apart, which all come to one route: `http.route` of a request, and of its
 * statements, becomes `/graphql query products`. OpenTelemetry has no attribute of HTTP metrics for it. For whatever
 * executes with graphql-js 15 to 17: Apollo Server, NestJS, graphql-http, express-graphql.
 *
 * Not instrumentation-graphql, which makes spans for parse, validate and execute of each request, and none of the
 * request's own figures.
 */
export class OperationInstrumentation extends InstrumentationBase {
  constructor() {
    super('sqltrail-operations', '0.2.0', {});
  }

  protected override init() {
    return [
      new InstrumentationNodeModuleDefinition('graphql', ['>=15 <17'], undefined, undefined, [
        new InstrumentationNodeModuleFile(
          'graphql/execution/execute.js',
          ['>=15 <17'],
          (module: { execute: Execute }) => {
            this._wrap(module, 'execute', observed);
            return module;
          },
          (module: { execute: Execute }) => this._unwrap(module, 'execute'),
        ),
      ]),
    ];
  }

  override enable(): void {
    super.enable();
    // The constructor enables, and who registers it does so again.
    executions.unsubscribe(onExecution as never);
    executions.subscribe(onExecution as never);
  }

  override disable(): void {
    super.disable();
    executions.unsubscribe(onExecution as never);
  }
}
