import { type Context, context, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { isTracingSuppressed } from '@opentelemetry/core';
import type {
  InstrumentationBase,
  InstrumentationNodeModuleDefinition,
} from '@opentelemetry/instrumentation';
import { PgInstrumentation, type PgInstrumentationConfig } from '@opentelemetry/instrumentation-pg';
import type { Client } from 'pg';
import { markDescribed, statementAttributes } from './described.ts';
import { observedPromise } from './observedPromise.ts';
import { isPlanClient } from './planSession.ts';
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
interface Connected {
  connectionParameters: { host?: string; port?: number; database?: string };
}

/** What instrumentation-pg keeps private: the one place where it wraps `query` of either client. */
declare class PgParts extends InstrumentationBase<PgInstrumentationConfig> {
  constructor(config: PgInstrumentationConfig);
  protected init(): InstrumentationNodeModuleDefinition[];
  protected _getClientQueryPatch(): (original: Query) => Query;
}
const Extensible = PgInstrumentation as unknown as typeof PgParts;

const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof (value as PromiseLike<unknown> | undefined)?.then === 'function';

/** Ends the span once, whatever is reported how often. */
function endOnce(span: Span): (error?: unknown) => void {
  let ended = false;
  return (error) => {
    if (ended) return;
    ended = true;
    if (error) {
      const { code, message } = error as { code?: unknown; message?: unknown };
      if (isSqlState(code)) span.setAttribute('db.response.status_code', code);
      span.setStatus({ code: SpanStatusCode.ERROR, message: String(message ?? '') });
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

/** What instrumentation-pg ends the span of: a text or a configuration, whose end is a last argument or its own promise. */
function isOrdinary(client: Client, args: unknown[]): boolean {
  const [config] = args;
  if (isSubmittable(config)) return false;
  if (typeof args.at(-1) === 'function') return true;
  // A callback in the configuration it would replace in the caller's own object.
  if (typeof (config as { callback?: unknown }).callback === 'function') return false;
  return (client as unknown as { _Promise?: unknown })._Promise === Promise;
}

/**
 * A span of everything that a pg client is given: texts, configurations, and every kind of Submittable (`pg.Query`,
 * pg-cursor, pg-query-stream, COPY streams), with callbacks, promises of any library and pg-native. It is the child of
 * what was active when the client was given the statement, and ends once, when the server or the client says that the
 * statement is over. Callers see what they see without it.
 *
 * It is instrumentation-pg, which (0.77) never ends the spans of Submittables and of promises that are not native; those
 * are made here.
 */
export class QueryInstrumentation extends Extensible {
  readonly #plans: PlanCapture | undefined;
  readonly #rootSpans: boolean;
  /** What is being given to instrumentation-pg, whose hook tells the text alone. */
  #given: { client: Client; sql: string; values: unknown[]; statement: Statement } | undefined;

  constructor({ plans, rootSpans = true }: QueryInstrumentationOptions = {}) {
    super({
      ignoreConnectSpans: true,
      requireParentSpan: !rootSpans,
      requestHook: (span) => {
        const given = this.#given;
        if (!given) return;
        markDescribed(span);
        span.updateName(given.statement.summary);
        span.setAttributes(statementAttributes(given.statement));
        this.#plans?.executed(span, given);
      },
    });
    this.#plans = plans;
    this.#rootSpans = rootSpans;
  }

  /** Durations are made of spans, and pools are measured by PoolInstrumentation. */
  override setMeterProvider(): void {}

  /** Without the patches of pg-pool, which serve those metrics and keep pools in memory. */
  protected override init(): InstrumentationNodeModuleDefinition[] {
    return super.init().filter(({ name }) => name === 'pg');
  }

  protected override _getClientQueryPatch(): (original: Query) => Query {
    const wrap = super._getClientQueryPatch();
    const observed = this.#observed.bind(this);
    return (original) => {
      const ordinary = wrap(original);
      return function query(this: Client, ...args) {
        return observed(this, { original, ordinary }, args);
      };
    };
  }

  #observed(
    client: Client,
    { original, ordinary }: { original: Query; ordinary: Query },
    args: unknown[],
  ): unknown {
    const caller = context.active();
    const [config] = args;
    if (config === null || config === undefined || isPlanClient(client)) return original.apply(client, args);
    const { text, values } = textOf(args);
    const session = this.#plans && sessionStateOf(client);
    const isObserved =
      !isTracingSuppressed(caller) && (this.#rootSpans || trace.getSpan(caller) !== undefined);
    if (!isObserved) {
      // What changes the session changes the plans of later statements.
      session?.given(text, describeStatement(text));
      return original.apply(client, args);
    }
    const statement = describeStatement(text);
    const executed = { client, sql: text, values, statement };
    if (isOrdinary(client, args)) {
      this.#given = executed;
      try {
        return ordinary.apply(client, args);
      } finally {
        this.#given = undefined;
        session?.given(text, statement);
      }
    }
    const span = this.#startSpan(client, statement, caller);
    this.#plans?.executed(span, executed);
    const end = endOnce(span);
    session?.given(text, statement);
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
      return observedPromise(result, () => end(), end);
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
