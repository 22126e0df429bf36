import { Command } from 'commander';
import type { ShopTarget } from '../demo/clients.ts';
import { SHOP_APPLICATION, shopApplication } from '../demo/shopActions.ts';
import { notesOf } from '../diagnosis/diagnosis.ts';
import { defaultDiagnosis, diagnose } from '../diagnosis/run.ts';
import { consoleSpans } from '../diagnosis/spans.ts';
import { type Action, actionKinds } from '../fix/action.ts';
import type { ApplyEvent } from '../fix/apply.ts';
import { expectedSeconds, secondsText } from '../fix/duration.ts';
import { readJournal } from '../fix/journal.ts';
import { isDueForReview, isHalfDone, isUndoable } from '../fix/journalEntry.ts';
import { type MediumTerm, mediumTermOf } from '../fix/mediumTerm.ts';
import { type Application, MITIGATED, mitigate, type Plan } from '../fix/mitigate.ts';
import { adviseOnPool, readPools } from '../fix/pool.ts';
import { undoActions } from '../fix/undo.ts';
import { ConfigurationError } from '../lib/errors.ts';
import { wholeNumber } from './arguments.ts';
import { databaseUrl, reported } from './database.ts';
import { budgetOption, deadlineOption, type LimitFlags, limitsOf } from './diagnosisLimits.ts';
import { describeAction, describeEntry, describeEvent, describeMediumTerm, describeUndo } from './fixText.ts';

const ownerUrl = (given: string | undefined) => databaseUrl(given, 'fix plan postgres://owner');
const write = (text: string) => process.stdout.write(`${text}\n`);

const SHOP_OPTION = [
  '--shop <url>',
  'URL of the running sample shop, to change its statements and pool as well (token in SQLTRAIL_TOKEN)',
] as const;

const isAddress = (url: string) => /^https?:\/\//.test(url) && URL.canParse(url);

/** @throws ConfigurationError for an address that is none, or without a token */
function shopTarget(url: string | undefined): ShopTarget | undefined {
  if (url === undefined) return undefined;
  const token = process.env['SQLTRAIL_TOKEN'];
  if (!isAddress(url)) throw new ConfigurationError('--shop is not a URL such as http://127.0.0.1:3000.');
  if (!token) throw new ConfigurationError('--shop needs the shop’s token in SQLTRAIL_TOKEN.');
  return { shop: url.replace(/\/$/, ''), token };
}

interface PlanFlags extends LimitFlags {
  shop?: string;
  yes?: boolean;
  only?: string[];
  skip?: string[];
  console?: string;
  prometheus?: string;
  json?: boolean;
  readUrl?: string;
  rounds: number;
  windows: number;
  window: number;
  reviewDays: number;
}

/** @throws ConfigurationError for an address that is none, without a token, or for a Prometheus without the shop */
function applicationOf(flags: Pick<PlanFlags, 'shop' | 'prometheus'>): Application | undefined {
  const { shop, prometheus } = flags;
  const target = shopTarget(shop);
  if (prometheus !== undefined && !isAddress(prometheus))
    throw new ConfigurationError('--prometheus is not a URL such as http://127.0.0.1:9090.');
  if (prometheus !== undefined && !target)
    throw new ConfigurationError('--prometheus is only used together with --shop: give the shop too.');
  return target && shopApplication(prometheus ? { ...target, prometheus } : target);
}

const measuringOf = (flags: PlanFlags) => ({
  windows: flags.windows,
  windowMs: flags.window * 1000,
});

function together(all: readonly Action[], flags: PlanFlags): string {
  const handlers = applicationOf(flags)?.handlers;
  const measuring = { ...measuringOf(flags), ...(handlers ? { handlers } : {}) };
  const actions = all.filter(({ blocked }) => blocked === undefined);
  const seconds = actions.reduce((sum, action) => sum + expectedSeconds(action, measuring), 0);
  const untimed = actions.filter(({ time }) => !time).length;
  return `Together ${secondsText(seconds)}, measuring included${untimed > 0 ? `, at the least: ${untimed} of ${actions.length} could not be timed` : ''}.`;
}

/** @throws ConfigurationError for a name that is neither a kind nor an action of the plan */
function checkNames(actions: readonly Action[], { only = [], skip = [] }: PlanFlags): void {
  const ids = new Set(actions.map(({ id }) => id));
  for (const name of [...only, ...skip])
    if (!ids.has(name) && !(actionKinds as readonly string[]).includes(name))
      throw new ConfigurationError(
        `There is no action or kind "${name}". Kinds: ${actionKinds.join(', ')}. Actions now: ${[...ids].join(', ') || 'none'}.`,
      );
}

function isChosen({ id, kind }: Pick<Action, 'id' | 'kind'>, { only, skip = [] }: PlanFlags): boolean {
  const named = (names: string[]) => names.includes(id) || names.includes(kind);
  return (!only || named(only)) && !named(skip);
}

/** The pool of the shop that is given is sized; any other belongs to its application: its size is a recommendation. */
async function recommendPools(url: string, flags: PlanFlags, signal: AbortSignal): Promise<void> {
  for (const pool of await readPools({ url, signal })) {
    if (pool.connections < 3 || (flags.shop && pool.application === SHOP_APPLICATION)) continue;
    const { size, reason } = adviseOnPool(pool);
    write(
      `Pool of ${pool.application || 'an unnamed application'}: ${size === null ? '' : `set its size to ${size} in the application. `}${reason}`,
    );
  }
}

/** Writes what happens, and shows what is on its way where somebody looks. */
function showEvents(): { onEvent: (event: ApplyEvent) => void; failed: () => boolean } {
  const live = process.stderr.isTTY;
  const show = (text: string) => {
    if (live) process.stderr.write(`\r\x1b[K${text}`);
  };
  let failed = false;
  return {
    failed: () => failed,
    onEvent: (event) => {
      failed ||= event.type === 'failed';
      show('');
      const text = describeEvent(event);
      if (text) write(text);
      else if (event.type === 'measuring') show(`    measuring ${event.what} for ${event.seconds} s`);
      else if (event.type === 'progress')
        show(`    ${event.phase}${event.done === null ? '' : ` ${Math.round(event.done * 100)} %`}`);
    },
  };
}

function writePlan({ round, actions, journal }: Plan, flags: PlanFlags): void {
  const halfDone = journal.filter(
    (entry) => isHalfDone(entry) && !actions.some(({ id }) => id === entry.action.id),
  );
  if (round === 1 && halfDone.length > 0)
    write(
      `An earlier run ended early; what it left half done comes first: ${halfDone.map(({ action }) => action.title).join('; ')}.\n`,
    );
  if (actions.length === 0) {
    write(
      round > 1
        ? '\nNothing more was found.'
        : 'No finding has a fix that can be applied here; sqltrail diagnose shows all findings.',
    );
    return;
  }
  write(
    `${round > 1 ? '\nThe mitigation has let other statements through. ' : ''}${actions.length} ${actions.length === 1 ? 'action' : 'actions, in this order'}:\n`,
  );
  for (const [at, action] of actions.entries()) write(`${describeAction(action, at + 1)}\n`);
  write(together(actions, flags));
}

/** What `sqltrail migrate` does online, and is no part of the plan. */
function writeMediumTerm(planned: readonly MediumTerm[]): void {
  if (planned.length === 0) return;
  write(
    '\nMedium-term, online and with a way back, by sqltrail migrate (the database is that of DATABASE_URL; a plan changes nothing):\n',
  );
  for (const each of planned) write(`${describeMediumTerm(each)}\n`);
}

/** The options that a plan and its application share. */
const planOptions = (command: Command): Command =>
  command
    .argument('[url]', 'URL with a role that owns the tables; or set DATABASE_URL')
    .option('--only <id...>', 'only these actions or kinds (index, settings, maintenance, query, pool)')
    .option('--skip <id...>', 'not these')
    .option(...SHOP_OPTION)
    .option('--read-url <url>', 'URL with a role that has pg_monitor, for diagnosis and measurement')
    .option('--console <url>', 'URL of the sqltrail console, for traces')
    .option(
      '--prometheus <url>',
      'with --shop: the Prometheus that has its customers’ page times, to measure changes of its statements and pool',
    )
    .option(
      '--rounds <n>',
      'maximum rounds of diagnosis and fixes; the first fixes let other statements through',
      wholeNumber(1),
      3,
    )
    .option(
      '--windows <n>',
      'windows to measure before and after each action; 0 measures nothing',
      wholeNumber(0),
      3,
    )
    .option('--window <seconds>', 'length of a window', wholeNumber(1), 5)
    .addOption(deadlineOption())
    .addOption(budgetOption())
    .option('--review-days <n>', 'days until temporary indexes are due for review', wholeNumber(1), 30)
    .addHelpText('after', '\nExit code: 0; 1 when an action failed; 2 for wrong input or no connection.');

/** Diagnoses, shows the plan and, with --yes, applies it; again for what the first round lets through. */
const planAndApply =
  (signal: AbortSignal) =>
  (given: string | undefined, flags: PlanFlags): Promise<void> =>
    reported(async () => {
      const url = ownerUrl(given);
      const readUrl = flags.readUrl ?? url;
      const mayChange = flags.yes === true;
      const application = applicationOf(flags);
      const { onEvent, failed } = showEvents();
      let planned = 0;
      let mediumTerm: MediumTerm[] = [];
      await mitigate({
        url,
        readUrl,
        rounds: flags.rounds,
        ...measuringOf(flags),
        reviewDays: flags.reviewDays,
        application: application && {
          ...application,
          ...(isChosen({ id: 'pool', kind: 'pool' }, flags) ? {} : { sizePool: undefined }),
        },
        signal,
        diagnose: async () => {
          const diagnosis = await diagnose({
            ...defaultDiagnosis,
            ...limitsOf(flags),
            url: readUrl,
            // The model is read for a plan only: it takes time, and nothing of it is applied here.
            only: mayChange ? [...MITIGATED] : [...MITIGATED, 'model'],
            ...(flags.console ? { spans: consoleSpans(flags.console, signal) } : {}),
            signal,
          });
          for (const note of notesOf(diagnosis)) process.stderr.write(`Note: ${note}\n`);
          mediumTerm = mediumTermOf(diagnosis.findings);
          return diagnosis;
        },
        isChosen: (action) => isChosen(action, flags),
        onLeftOut: ({ neededBy, title }) =>
          process.stderr.write(`Note: left out, because only ${neededBy} needs it: ${title}\n`),
        onPlan: (plan) => {
          checkNames(plan.found, flags);
          planned += plan.actions.length;
          if (flags.json) write(JSON.stringify({ actions: plan.actions, mediumTerm }, null, 1));
          else writePlan(plan, flags);
          return mayChange && !flags.json;
        },
        onPool: ({ action, reason }) =>
          write(action ? `\n${describeAction(action, 1)}` : `\nThe shop’s pool stays: ${reason}`),
        onEvent,
      });
      if (failed()) process.exitCode = 1;
      if (flags.json) return;
      if (!mayChange && flags.shop)
        write('The shop’s pool is sized last, for the load after the mitigation.');
      await recommendPools(readUrl, flags, signal);
      if (!mayChange) {
        writeMediumTerm(mediumTerm);
        write(`Nothing was changed.${planned > 0 ? ' sqltrail fix apply --yes applies this plan.' : ''}`);
        return;
      }
      write('\nsqltrail fix list shows what is in force; sqltrail fix revert undoes it.');
    });

/** `sqltrail fix plan | apply | list | revert`. */
export function fixCommand(signal: AbortSignal): Command {
  const fix = new Command('fix').description(
    'fix what the diagnosis found; each change is measured and reversible',
  );
  planOptions(
    fix
      .command('plan')
      .description(
        'diagnose, and show each action with its reason, SQL, lock, risk and time, and the operations for migrate; changes nothing',
      ),
  )
    .option('--json', 'print only the plan, as JSON', false)
    .action(planAndApply(signal));
  planOptions(
    fix
      .command('apply')
      .description(
        'apply the plan to the live database, measure each action, and revert actions that do not help',
      ),
  )
    .option('--yes', 'apply it; without this option, only show the plan', false)
    .action(planAndApply(signal));
  fix
    .command('list')
    .description('list what was changed, its effect, and what is due for review')
    .argument('[url]', 'URL of the database; or set DATABASE_URL')
    .option('--json', 'print the journal as JSON', false)
    .action((given: string | undefined, { json }: { json: boolean }) =>
      reported(async () => {
        const entries = await readJournal(ownerUrl(given));
        if (json) {
          write(JSON.stringify(entries, null, 1));
          return;
        }
        if (entries.length === 0) write('The journal is empty: nothing was changed by sqltrail.');
        for (const entry of entries) write(describeEntry(entry));
        const due = entries.filter((entry) => isDueForReview(entry));
        const halfDone = entries.filter(isHalfDone);
        if (due.length > 0)
          write(
            `\n${due.length} ${due.length === 1 ? 'action is' : 'actions are'} due for review: keep what is temporary by a migration of the schema, measure what was not, or revert it.`,
          );
        if (halfDone.length > 0)
          write(
            `\n${halfDone.length} half done, by a run that ended early or that is on: fix apply --yes completes that, fix revert undoes it.`,
          );
      }),
    );
  fix
    .command('revert')
    .description('undo actions, the last one first')
    .argument('[url]', 'URL with a role that owns the tables; or set DATABASE_URL')
    .option('--only <id...>', 'only these actions (default: all in force)')
    .option(...SHOP_OPTION)
    .option('--yes', 'do it', false)
    .action(
      (given: string | undefined, { only, shop, yes }: { only?: string[]; shop?: string; yes: boolean }) =>
        reported(async () => {
          const handlers = applicationOf(shop ? { shop } : {})?.handlers;
          const url = ownerUrl(given);
          const inForce = (await readJournal(url)).filter(isUndoable);
          const unknown = only?.find((id) => !inForce.some(({ action }) => action.id === id));
          if (unknown)
            throw new ConfigurationError(
              `No action "${unknown}" is in force; sqltrail fix list shows those that are.`,
            );
          const entries = inForce.filter(({ action }) => !only || only.includes(action.id));
          if (entries.length === 0) {
            write('Nothing to revert.');
            return;
          }
          for (const entry of entries.reverse()) {
            const { action } = entry;
            write(`${action.title}   [${action.id}]\n     ${describeUndo(entry)};`);
          }
          if (!yes) {
            write('\nNothing was changed. Run it again with --yes to revert these.');
            return;
          }
          const failed = await undoActions({
            url,
            ...(only ? { ids: only } : {}),
            ...(handlers ? { handlers } : {}),
            signal,
            onUndone: ({ title }, left) =>
              write(`  ↩ ${title}${left.length > 0 ? `; ${left.join('; ')}` : ''}`),
          });
          for (const { action, reason } of failed) write(`  ✖ ${action.title}: not undone: ${reason}`);
          if (failed.length === 0) return;
          write('\nWhat was not undone stays in the journal: remove the reason, then run this again.');
          process.exitCode = 1;
        }),
    );
  return fix;
}
