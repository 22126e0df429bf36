import { type Context, context, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { isTracingSuppressed } from '@opentelemetry/core';
import {
  InstrumentationBase,
  InstrumentationNodeModuleDefinition,
  InstrumentationNodeModuleFile,
} from '@opentelemetry/instrumentation';
import type { Client } from 'pg';
import { markDescribed, statementAttributes } from './described.ts';
import type { PlanCapture } from './plans.ts';
import { isSqlState } from './redaction.ts';
import { sessionStateOf } from './sessionState.ts';
import { describeStatement, type Statement } from './statement.ts';
import { isSubmittable, textOf, watchSubmittable } from './submittable.ts';

export interface QueryInstrumentationOptions {
  /** Is told what each span executed. */
  plans?: PlanCapture | undefined;
  /** Whether a statement outside of any span gets a root span; `true` by default. */
  rootSpans?: boolean;
}

type Query = (this: Client, ...args: unknown[]) => unknown;
type Callback = (error: unknown, result?: unknown) => void;
type ClientClass = { prototype: { query: Query; [ORIGINAL]?: Query } };
interface Connected {
  connectionParameters: { host?: string; port?: number; database?: string };
}

const ORIGINAL = Symbol('sqltrail.pg.query');
const VERSIONS = ['>=8.0.3 <9'];

/** A module that was imported keeps its CommonJS exports under `default`. */
const exportsOf = <Exports>(module: Exports & { default?: Exports }): Exports =>
  (module as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] === 'Module' && module.default
    ? module.default
    : module;

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof (value as PromiseLike<unknown> | undefined)?.then === 'function';

/** Ends the span once, whatever is reported how often. */
function endOnce(span: Span, failed: () => void): (error?: unknown) => void {
  let ended = false;
  return (error) => {
    if (ended) return;
    ended = true;
    if (error) {
      const { code, message } = error as { code?: unknown; message?: unknown };
      if (isSqlState(code)) span.setAttribute('db.response.status_code', code);
      span.setStatus({ code: SpanStatusCode.ERROR, message: String(message ?? '') });
      failed();
    }
    span.end();
  };
}

/** The arguments of `query` with the callback, wherever it is given, replaced; undefined when there is none. */
function withCallback(args: unknown[], wrap: (callback: Callback) => Callback): unknown[] | undefined {
  const at = args.findLastIndex((argument, i) => i > 0 && typeof argument === 'function');
  if (at > 0) return args.with(at, wrap(args[at] as Callback));
  const [config] = args as [{ callback?: unknown } | string];
  if (typeof config !== 'object' || typeof config.callback !== 'function') return undefined;
  // Not written into the caller's own object, which may be used again.
  const copy = Object.create(config, {
    callback: { value: wrap(config.callback as Callback), writable: true, enumerable: true },
  });
  return args.with(0, copy);
}

/**
 * A span of everything that a pg client is given: texts, configurations, and every kind of Submittable (`pg.Query`,
 * pg-cursor, pg-query-stream, COPY streams), with callbacks, promises of any library and pg-native. It is the child of
 * what was active when the client was given the statement, and ends once, when the server or the client says that the
 * statement is over. Callers see what they see without it.
 *
 * Not instrumentation-pg, which never ends the spans of Submittables and of promises that are not native (0.77).
 */
export class QueryInstrumentation extends InstrumentationBase {
  readonly #plans: PlanCapture | undefined;
  readonly #rootSpans: boolean;

  constructor({ plans, rootSpans = true }: QueryInstrumentationOptions = {}) {
    super('sqltrail-queries', '0.2.0', {});
    this.#plans = plans;
    this.#rootSpans = rootSpans;
  }

  protected override init() {
    const patch = (module: ClientClass & { default?: ClientClass }) => {
      this.#patch(exportsOf(module));
      return module;
    };
    const unpatch = (module: ClientClass & { default?: ClientClass }) => unpatchClient(exportsOf(module));
    const file = (name: string) => new InstrumentationNodeModuleFile(name, VERSIONS, patch, unpatch);
    type Exports = { Client: ClientClass; default?: { Client: ClientClass } };
    return [
      new InstrumentationNodeModuleDefinition(
        'pg',
        VERSIONS,
        (module: Exports) => {
          this.#patch(exportsOf<{ Client: ClientClass }>(module).Client);
          return module;
        },
        (module: Exports) => unpatchClient(exportsOf<{ Client: ClientClass }>(module).Client),
        [file('pg/lib/client.js'), file('pg/lib/native/client.js')],
      ),
    ];
  }

  #patch(Client: ClientClass): void {
    const { prototype } = Client;
    if (Object.hasOwn(prototype, ORIGINAL)) return;
    const original = prototype.query;
    const observed = this.#observed.bind(this);
    prototype[ORIGINAL] = original;
    prototype.query = function query(this: Client, ...args) {
      return observed(this, original, args);
    };
  }

  #observed(client: Client, original: Query, args: unknown[]): unknown {
    const caller = context.active();
    const [config] = args;
    if (config === null || config === undefined) return original.apply(client, args);
    const { text, values } = textOf(args);
    const isObserved =
      !isTracingSuppressed(caller) && (this.#rootSpans || trace.getSpan(caller) !== undefined);
    if (!isObserved) {
      // What changes the session changes the plans of later statements.
      if (this.#plans) sessionStateOf(client).given(text, describeStatement(text));
      return original.apply(client, args);
    }
    const statement = describeStatement(text);
    const span = this.#startSpan(client, statement, caller);
    this.#plans?.executed(span, { client, sql: text, values, statement });
    const end = endOnce(span, () => this.#plans && sessionStateOf(client).failed(statement));
    if (this.#plans) sessionStateOf(client).given(text, statement);
    try {
      if (isSubmittable(config)) {
        watchSubmittable(config, caller, end);
        return original.apply(client, args);
      }
      const called = withCallback(args, (callback) =>
        context.bind(caller, function (this: unknown, error, result) {
          end(error);
          callback.call(this, error, result);
        }),
      );
      if (called) return original.apply(client, called);
      const result = original.apply(client, args);
      if (!isThenable(result)) {
        end();
        return result;
      }
      // What the caller gets is of the library that made the promise, and unhandled when the caller does not handle it.
      return result.then(
        (value) => {
          end();
          return value;
        },
        (error) => {
          end(error);
          throw error;
        },
      );
    } catch (error) {
      end(error);
      throw error;
    }
  }

  #startSpan(client: Client, statement: Statement, caller: Context): Span {
    const { host, port, database } = (client as unknown as Connected).connectionParameters ?? {};
    const span = this.tracer.startSpan(
      statement.summary,
      {
        kind: SpanKind.CLIENT,
        attributes: {
          'db.system.name': 'postgresql',
          ...(database ? { 'db.namespace': database } : {}),
          ...(host ? { 'server.address': host } : {}),
          ...(port ? { 'server.port': Number(port) } : {}),
          ...statementAttributes(statement),
        },
      },
      caller,
    );
    markDescribed(span);
    return span;
  }
}

function unpatchClient({ prototype }: ClientClass): void {
  if (prototype[ORIGINAL]) prototype.query = prototype[ORIGINAL];
  delete prototype[ORIGINAL];
}
