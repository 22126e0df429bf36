import { readFile } from 'node:fs/promises';
import { ConfigurationError } from '../lib/errors.ts';
import { isDatabaseUrl } from '../lib/pg/connect.ts';
import { OperationError } from '../lib/pg/errors.ts';
import {
  type MigrationOptions,
  type MigrationPlan,
  type MigrationStatus,
  migrationStatus,
  type Progress,
  planMigration,
  rollbackMigration,
  runMigration,
  verifyMigration,
} from '../migrate/engine.ts';
import { type Phase, phaseIndex, type Reached } from '../migrate/mapping.ts';
import { aheadOf } from '../migrate/operations/ahead.ts';
import { operationOf } from '../migrate/operations/operation.ts';
import { type Plan, readPlan } from '../migrate/operations/plan.ts';
import { differences } from '../migrate/verify.ts';
import { keptText } from './keptText.ts';

export const EXAMPLES = `
Any table (a file says what will be done, and all SQL of it):
  sqltrail migrate plan postgres://owner@localhost/app partition app.events --by created_at --interval month
  sqltrail migrate plan postgres://owner@localhost/app retype app.orders.placed_on date --format DD.MM.YYYY
  sqltrail migrate plan postgres://owner@localhost/app retype app.orders.total 'numeric(12, 2)'
  sqltrail migrate plan postgres://owner@localhost/app retype app.orders.id bigint
  sqltrail migrate plan postgres://owner@localhost/app split-list app.articles.tags --separator ';'
  sqltrail migrate plan postgres://owner@localhost/app extract app.bookings --columns guest_name,guest_city --key guest_id --into guests --resolve 'latest-by booked_at'
  sqltrail migrate plan postgres://owner@localhost/app eav-to-jsonb app.device_settings --entity device_id --attribute name --values value --leave-out id
  sqltrail migrate start postgres://owner@localhost/app migration-events.yaml --yes
  sqltrail migrate start postgres://owner@localhost/app migration-events.yaml --until cutover-writes --yes
  sqltrail migrate rollback postgres://owner@localhost/app migration-events.yaml --yes
  sqltrail migrate complete postgres://owner@localhost/app migration-events.yaml --yes
  sqltrail migrate ahead postgres://owner@localhost/app migration-events.yaml --yes`;

/** Where DATABASE_URL is set, what is given first is not the address. */
export const shifted = (...given: (string | undefined)[]): (string | undefined)[] =>
  given[0] === undefined || isDatabaseUrl(given[0]) || process.env['DATABASE_URL'] === undefined
    ? given
    : [undefined, ...given];

export const write = (text: string) => process.stdout.write(`${text}\n`);

export interface At {
  options: MigrationOptions;
  declared: Plan;
  file: string;
}

export async function operationAt(
  url: string,
  file: string,
  signal: AbortSignal,
  { duty, acceptUse = false }: { duty?: number; acceptUse?: boolean },
): Promise<At> {
  const text = await readFile(file, 'utf8').catch((error) => {
    throw new ConfigurationError(`${file} could not be read: ${(error as Error).message}`);
  });
  const declared = readPlan(text, file);
  return {
    declared,
    file,
    options: {
      url,
      mapping: operationOf(declared),
      signal,
      acceptUse,
      ...(duty === undefined ? {} : { dutyCycle: duty }),
    },
  };
}

export const NOTHING = '\nNothing was changed. Run it again with --yes to do this.';

export function showProgress({ phase, step, event, detail }: Progress): void {
  if (event === 'batch') {
    if (process.stderr.isTTY)
      process.stderr.write(`\r\x1b[K  ${phase}: ${step} ${JSON.stringify(detail ?? {})}`);
    return;
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  if (event === 'phase done') write(`✔ ${phase}`);
  else if (event === 'phase undone') write(`↩ ${phase}`);
  else if (event === 'paused' || event === 'retry') write(`  ${phase}: ${delayText(event, detail ?? {})}`);
}

/** Why it does not go on now. */
function delayText(
  event: 'paused' | 'retry',
  { reason, code, heldBy, missing }: { reason?: string; code?: string; heldBy?: string; missing?: number },
): string {
  if (event === 'paused') return `paused: ${reason}`;
  if (missing !== undefined) return `${missing} parts could not be copied yet; trying again`;
  return code === undefined || code === '55P03'
    ? `a lock was not free${heldBy ? `: held by ${heldBy}` : ''}; trying again`
    : `in the way of another transaction (${code}); trying again`;
}

/** Empty phases are none of an operation's. */
const shown =
  ({ phases }: Plan) =>
  (progress: Progress): void => {
    const has = phases.some(({ phase }) => phase === progress.phase);
    if (has) showProgress(progress);
  };

/** The steps up to `until`, each with its lock. */
export function writeSteps({ steps }: MigrationPlan, until: Phase): void {
  for (const { phase, name, lock, done, reversible } of steps)
    if (phaseIndex(phase) <= phaseIndex(until))
      write(
        `${done ? '✔' : ' '} ${phase.padEnd(15)} ${name}   [${lock}${reversible ? '' : '; no way back'}]`,
      );
}

export async function startOperation(at: At, until: Phase, yes: boolean): Promise<void> {
  writeSteps(await planMigration(at.options), until);
  if (!yes) return void write(NOTHING);
  for await (const progress of runMigration({ ...at.options, until, yes: until === 'contract' }))
    shown(at.declared)(progress);
  const columns = 'moved' in at.declared ? at.declared.moved.columns.length : 0;
  const what = columns === 0 ? 'table is' : columns === 1 ? 'column is' : 'columns are';
  write(
    until === 'contract'
      ? `${at.declared.table.schema}.${at.declared.table.name} is done; the old ${what} gone.`
      : `Next: sqltrail migrate status URL ${at.file}; the new table counts with --until cutover-writes.`,
  );
}

export const writeJson = (status: MigrationStatus | undefined): void =>
  void write(JSON.stringify(status ?? null, null, 1));

export async function operationStatus(
  { options, declared }: At,
  { json }: { json?: boolean },
): Promise<void> {
  const status = await migrationStatus(options);
  if (json) return writeJson(status);
  if (!status) return void write(`${declared.name} has not begun.`);
  write(
    `${declared.name}: phase ${status.phase}${status.inPhase ? `, in ${status.inPhase}` : ''}; ${status.stepsDone} steps done.`,
  );
  for (const { table, units, reached, upper, busyMs, wallMs } of status.cursors)
    write(
      `  ${table}: ${units} rows copied, block ${reached} of ${upper}; ${(busyMs / 1000).toFixed(0)} s of work in ${(wallMs / 1000).toFixed(0)} s`,
    );
  for (const kept of status.ledger) write(keptText(kept));
}

/** Makes partitions ahead, for a job that runs from time to time. */
export async function partitionsAhead({ options, declared }: At, ahead: number, yes: boolean): Promise<void> {
  const { schema, name } = declared.table;
  if (!('rows' in declared)) throw new ConfigurationError(`${declared.name} makes no partitions.`);
  write(
    `Partitions of ${schema}.${name} for the present ${declared.choices['interval']} and ${ahead} more would be made where they are missing, each with a short lock.`,
  );
  if (!yes) return void write(NOTHING);
  const made = await aheadOf(options.url, declared, ahead);
  write(made.length === 0 ? 'All are there.' : `Made: ${made.join(', ')}.`);
}

export async function verifyOperation({ options }: At): Promise<void> {
  const verification = await verifyMigration(options).catch((error) => {
    // undefined_table
    if ((error as { code?: string }).code === '42P01')
      throw new OperationError('There is nothing to compare: the migration has not begun, or is complete.');
    throw error;
  });
  const [table] = verification.tables;
  write(
    `${table?.legacyRows} rows in the old table and ${table?.rebuiltRows} in the new one compared: ${verification.equal ? 'equal' : 'they differ'}.`,
  );
  for (const line of differences(verification)) write(`  ${line}`);
  const { unconverted } = verification;
  if (unconverted?.cutover && unconverted.rows > 0)
    write(
      `  ${unconverted.rows} rows were written that the old type cannot hold; their keys are in ${unconverted.table}. A rollback is refused while there is one.`,
    );
  if (!verification.equal) process.exitCode = 1;
}

export async function rollbackOperation(at: At, to: Reached, yes: boolean): Promise<void> {
  const { phase } = await planMigration(at.options);
  write(`It is at ${phase}; everything after ${to} would be undone, the last step first.`);
  if (!yes) return void write(NOTHING);
  for await (const progress of rollbackMigration({ ...at.options, to })) shown(at.declared)(progress);
}
