import { Command, InvalidArgumentError, Option } from 'commander';
import {
  type MigrationOptions,
  migrationStatus,
  type Progress,
  planMigration,
  rollbackMigration,
  runMigration,
  verifyMigration,
} from '../remediation/migration/engine.ts';
import { isPhase, type Phase, phases } from '../remediation/migration/mapping.ts';
import { shopMapping } from '../remediation/migration/shop.ts';
import { ConfigurationError } from '../stack/errors.ts';
import { ownerUrl, reported } from './fix.ts';
import { setStore } from './story/clients.ts';

interface Flags {
  until: Phase;
  rollbackTo?: Phase | 'none';
  status: boolean;
  verify: boolean;
  yes: boolean;
  shop?: string;
  previousStore: string;
  timeZone: string;
  duty: number;
  acceptSetAside: boolean;
}

const write = (text: string) => process.stdout.write(`${text}\n`);

function show({ phase, step, event, detail }: Progress): void {
  if (event === 'batch') {
    if (process.stderr.isTTY)
      process.stderr.write(`\r\x1b[K  ${phase}: ${step} ${JSON.stringify(detail ?? {})}`);
    return;
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  if (event === 'phase done') write(`✔ ${phase}`);
  else if (event === 'phase undone') write(`↩ ${phase}`);
  else if (event === 'paused' || event === 'retry')
    write(`  ${phase}: ${event} ${JSON.stringify(detail ?? {})}`);
}

/** The shop's own switch, when its address is given; without it the migration stops before the cutover. */
function switcher(shop: string | undefined): Pick<MigrationOptions, 'switchStore'> {
  if (!shop) return {};
  const token = process.env['SQLTRAIL_TOKEN'];
  if (!token) throw new ConfigurationError('--shop needs the shop’s token in SQLTRAIL_TOKEN.');
  const targets = { shop, token, prometheus: '', alertmanager: '', console: '', load: '' };
  return { switchStore: (store) => setStore(targets, store) };
}

/** `sqltrail fix medium-term`. */
export function migrateCommand(signal: AbortSignal): Command {
  return new Command('medium-term')
    .description(
      'carry the shop to the refactored model online, in phases with a way back; shows the plan first, changes nothing without --yes',
    )
    .argument('[url]', 'the owner of the legacy tables; or set DATABASE_URL')
    .addOption(
      new Option('--until <phase>', 'the last phase of this run').choices([...phases]).default('verify'),
    )
    .addOption(
      new Option('--rollback-to <phase>', 'undo the phases after this one').choices(['none', ...phases]),
    )
    .option('--status', 'how far it is, and end', false)
    .option('--verify', 'compare both models, and end; exit code 1 when they differ', false)
    .option('--yes', 'do it', false)
    .option('--shop <url>', 'the shop, to exchange its store at the cutover (token in SQLTRAIL_TOKEN)')
    .option('--previous-store <name>', 'the store in use before the migration', 'legacy')
    .option('--time-zone <name>', 'the zone in which the dates kept as text are meant', 'Etc/UTC')
    .option(
      '--duty <share>',
      'share of the time in which the backfill works',
      (text) => {
        const value = Number(text);
        if (!(value > 0 && value <= 1)) throw new InvalidArgumentError('Give a number above 0, at most 1.');
        return value;
      },
      0.5,
    )
    .option(
      '--accept-set-aside',
      'go on although some rows cannot be held by the new model; they stay in the legacy tables and in the ledger',
      false,
    )
    .action((given: string | undefined, flags: Flags) =>
      reported(async () => {
        const mapping = await shopMapping({ timeZone: flags.timeZone });
        const at = { url: ownerUrl(given), mapping };
        if (flags.status) {
          const status = await migrationStatus(at);
          if (!status) {
            write('The migration has not begun.');
            return;
          }
          write(
            `Phase ${status.phase}${status.inPhase ? `, in ${status.inPhase}` : ''}; ${status.stepsDone} steps done; store before: ${status.previousStore}.`,
          );
          for (const { kind, table, entries } of status.ledger) write(`  ${entries} ${kind} in ${table}`);
          return;
        }
        if (flags.verify) {
          const { equal, tables, money, unproven } = await verifyMigration({ ...at, signal });
          write(
            `${tables.length} tables and ${money.length} sums of money compared: ${equal ? 'equal' : 'they differ'}.`,
          );
          for (const name of unproven) write(`  not proven: ${name}`);
          if (!equal) process.exitCode = 1;
          return;
        }
        const options: MigrationOptions = {
          ...at,
          ...switcher(flags.shop),
          previousStore: flags.previousStore,
          dutyCycle: flags.duty,
          acceptSetAside: flags.acceptSetAside,
          signal,
        };
        const { rollbackTo, until } = flags;
        const plan = await planMigration(options);
        if (rollbackTo)
          write(
            `It is at ${plan.phase}; everything after ${rollbackTo} would be undone, the last step first.`,
          );
        else
          for (const { phase, name, lock, done, reversible } of plan.steps)
            if (isPhase(phase) && phases.indexOf(phase) <= phases.indexOf(until))
              write(
                `${done ? '✔' : ' '} ${phase.padEnd(15)} ${name}   [${lock}${reversible ? '' : '; no way back'}]`,
              );
        if (!flags.yes) {
          write('\nNothing was changed. Run it again with --yes to do this.');
          return;
        }
        const run = rollbackTo
          ? rollbackMigration({ ...options, to: rollbackTo })
          : runMigration({ ...options, until, yes: true });
        for await (const progress of run) show(progress);
        write('sqltrail fix medium-term --status shows how far it is.');
      }),
    );
}
