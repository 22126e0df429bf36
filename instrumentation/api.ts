/**
 * The parts, for services that have an OpenTelemetry SDK of their own, or start this one themselves. Importing them
 * does nothing.
 *
 * @example
 * import { start } from '@sqltrail/instrumentation/api';
 * const telemetry = start({ slowStatementMs: 100 });
 * // before the modules that it observes are loaded: import('./app.js')
 */
export { OperationInstrumentation } from './graphql.ts';
export { PlanCapture, type PlanCaptureOptions } from './plans.ts';
export { PoolInstrumentation } from './pools.ts';
export { QueryInstrumentation, type QueryInstrumentationOptions } from './queries.ts';
export { RedactingSpanProcessor, type RedactingSpanProcessorOptions } from './redactingSpanProcessor.ts';
export { RouteInstrumentation } from './routes.ts';
export { readSettings, type Settings } from './settings.ts';
export { start, type Telemetry } from './start.ts';
export { describeStatement, loadParser, type Statement } from './statement.ts';
