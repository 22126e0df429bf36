import { Command, InvalidArgumentError } from 'commander';
import type { ShopTarget } from '../demo/clients.ts';
import { poolAction, SHOP_APPLICATION, shopActions, shopHandlers } from '../demo/shopActions.ts';
import { bytesText } from '../diagnosis/checks/shared.ts';
import { notesOf } from '../diagnosis/diagnosis.ts';
import { defaultDiagnosis, diagnose } from '../diagnosis/run.ts';
import { ConnectionFailed } from '../diagnosis/session.ts';
import { consoleSpans } from '../diagnosis/spans.ts';
import { type Action, actionKinds, actionsFor, distinguish } from '../fix/action.ts';
import { expectedSeconds, secondsText, timeText, withTimes } from '../fix/duration.ts';
import { type ActionState, HALF_DONE, type JournalEntry } from '../fix/journal.ts';
import { checkActions } from '../fix/planCheck.ts';
import { adviseOnPool, sightPools } from '../fix/pool.ts';
import { settingsActions } from '../fix/settings.ts';
import {
  applyShortTerm,
  type Handlers,
  readJournal,
  type ShortTermEvent,
  undoActions,
} from '../fix/shortTerm.ts';
import { ConfigurationError } from '../lib/errors.ts';
import { OperationError } from '../lib/pg/errors.ts';

const whole = (least: number) => (text: string) => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least)
    throw new InvalidArgumentError(`Give a whole number of ${least} or more.`);
  return value;
};

const write = (text: string) => process.stdout.write(`${text}\n`);

/** The URL of a role that may change the database; from the argument or the environment. */
export function ownerUrl(given: string | undefined): string {
  const url = given ?? process.env['DATABASE_URL'];
  if (!url)
    throw new ConfigurationError(
      'No database given. Example: sqltrail fix plan postgres://owner@localhost:5432/shop (password in PGPASSWORD), or set DATABASE_URL.',
    );
  if (!/^postgres(ql)?:\/\//.test(url) || !URL.canParse(url))
    throw new ConfigurationError(
      'The database’s address is no URL such as postgres://owner@localhost:5432/shop.',
    );
  return url;
}

/** Errors of the room become messages with exit code 2 (nothing was done) for the command line. */
export async function reported<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof OperationError || error instanceof ConnectionFailed)
      throw new ConfigurationError(error.message);
    throw error;
  }
}

/** An action as one reads it before saying yes. */
export function describeAction(action: Action, at: number): string {
  return [
    `${String(at).padStart(3)}. ${action.title}   [${action.id}]`,
    `     Why:  ${action.reason}`,
    ...(action.blocked === undefined ? [] : [`     Not possible: ${action.blocked}`]),
    ...(action.notes ?? []).map((note) => `     Note: ${note}`),
    ...(action.steps ?? action.sql).map((sql) => `     SQL:  ${sql};`),
    `     Lock: ${action.lock}`,
    `     Risk: ${action.risk}`,
    `     Time: ${action.time ? timeText(action.time) : 'not known: a sample of its table could not be timed'}`,
    ...(action.bytes === null ? [] : [`     Disk: about ${bytesText(action.bytes)}`]),
    ...(action.undo.length > 0 ? [`     Undo: ${action.undo.join('; ')};`] : []),
  ].join('\n');
}

export function describeEvent(event: ShortTermEvent): string | undefined {
  const { title } = event.action;
  if (event.type === 'applying') return `  … ${title}`;
  if (event.type === 'kept') return `  ✔ ${title}: ${event.note}`;
  if (event.type === 'taken-back') return `  ↩ ${title}: taken back, ${event.note}`;
  if (event.type === 'skipped') return `  – ${title}: ${event.note}`;
  if (event.type === 'failed') return `  ✖ ${title}: ${event.note}`;
  return undefined;
}

const IN_FORCE: readonly ActionState[] = ['kept', 'applied'];

function describeEntry(
  { action, state, startedAt, reviewOn, note, owner, applySeconds }: JournalEntry,
  today: string,
): string {
  const review = IN_FORCE.includes(state) ? reviewOn : null;
  const why = action.temporary ? 'temporary, ' : '';
  const told = action.time ? ` (${secondsText(action.time.applySeconds)} expected)` : '';
  const took = applySeconds === null ? '' : `; applied in ${applySeconds.toFixed(1)} s${told}`;
  return [
    `${state.padEnd(11)} ${startedAt.slice(0, 16).replace('T', ' ')}  ${action.title}   [${action.id}]`,
    `            by ${owner}${took}${review ? `; ${why}review on ${review}${review <= today ? ' — due' : ''}` : ''}${note ? `; ${note}` : ''}`,
  ].join('\n');
}

/** What undo will do, as far as it is noted; by the SQL that was planned otherwise. */
function describeUndo({ action, changes }: JournalEntry): string {
  const parts = (changes ?? []).flatMap((change): string[] => {
    if (change.undone) return [];
    switch (change.change) {
      case 'index':
        return [`drop the index ${change.name} of ${change.schema}.${change.table}`];
      case 'dropped-index':
        return [`build the index ${change.name} of ${change.schema}.${change.table} again`];
      case 'extension':
        return [`drop the extension ${change.name}, if nothing else uses it`];
      case 'setting':
        return [`${change.name} back to ${change.before ?? 'no value of its own'}`];
      case 'statistics':
        return [`statistics target of ${change.table}.${change.column} back to ${change.before}`];
      default:
        return [
          `options of ${change.schema}.${change.table}${change.column === null ? '' : `.${change.column}`} back to ${change.before.join(', ') || 'none'}`,
        ];
    }
  });
  if (parts.length > 0) return parts.join('; ');
  if (changes !== null && action.kind !== 'query' && action.kind !== 'pool') return 'nothing to do';
  return action.undo.join('; ') || 'in the application';
}

const SHOP_OPTION = [
  '--shop <url>',
  'the running sample shop, whose statements and pool are exchanged as well (token in SQLTRAIL_TOKEN)',
] as const;

const isAddress = (url: string) => /^https?:\/\//.test(url) && URL.canParse(url);

/** @throws ConfigurationError for an address that is none, or without a token */
function shopTarget(url: string | undefined): ShopTarget | undefined {
  if (url === undefined) return undefined;
  const token = process.env['SQLTRAIL_TOKEN'];
  if (!isAddress(url)) throw new ConfigurationError('--shop is no address such as http://127.0.0.1:3000.');
  if (!token) throw new ConfigurationError('--shop needs the shop’s token in SQLTRAIL_TOKEN.');
  return { shop: url.replace(/\/$/, ''), token };
}

interface PlanFlags {
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
function handlersOf({ shop, prometheus }: Pick<PlanFlags, 'shop' | 'prometheus'>): Handlers {
  const target = shopTarget(shop);
  if (prometheus !== undefined && !isAddress(prometheus))
    throw new ConfigurationError('--prometheus is no address such as http://127.0.0.1:9090.');
  if (prometheus !== undefined && !target)
    throw new ConfigurationError('--prometheus tells of the shop’s customers: give the shop too (--shop).');
  return target ? shopHandlers(prometheus ? { ...target, prometheus } : target) : {};
}

async function planRound(
  url: string,
  readUrl: string,
  flags: PlanFlags,
  signal: AbortSignal,
): Promise<Action[]> {
  const diagnosis = await diagnose({
    ...defaultDiagnosis,
    url: readUrl,
    only: ['indexes', 'queries', 'size', 'set-up'],
    ...(flags.console ? { spans: consoleSpans(flags.console, signal) } : {}),
    signal,
  });
  for (const note of notesOf(diagnosis)) process.stderr.write(`Note: ${note}\n`);
  const found = actionsFor(diagnosis.findings);
  // An index that a finding asks for may be needed by the rewritten statements too.
  const ofTheShop = flags.shop ? shopActions(diagnosis.findings) : [];
  for (const { id, neededBy } of ofTheShop) {
    const known = found.find((action) => action.id === id);
    if (known && neededBy) known.neededBy = neededBy;
  }
  const actions = [
    ...found,
    ...(await settingsActions({ url: readUrl, signal })),
    ...ofTheShop.filter(({ id }) => !found.some((action) => action.id === id)),
  ];
  const journal = await readJournal(url);
  const checked = await checkActions({ url, actions: distinguish(actions, journal), signal });
  return withTimes({ ...lookingOf(flags), url: readUrl, actions: checked, signal });
}

const lookingOf = (flags: PlanFlags) => ({
  windows: flags.windows,
  windowMs: flags.window * 1000,
  handlers: handlersOf(flags),
});

function together(all: readonly Action[], flags: PlanFlags): string {
  const looking = lookingOf(flags);
  const actions = all.filter(({ blocked }) => blocked === undefined);
  const seconds = actions.reduce((sum, action) => sum + expectedSeconds(action, looking), 0);
  const untimed = actions.filter(({ time }) => !time).length;
  return `Together ${secondsText(seconds)}, measuring included${untimed > 0 ? `, at the least: ${untimed} of ${actions.length} could not be timed` : ''}.`;
}

/** @throws ConfigurationError for a name that is neither a kind nor an action of the plan */
function chosenActions(actions: readonly Action[], flags: PlanFlags): Action[] {
  const ids = new Set(actions.map(({ id }) => id));
  for (const name of [...(flags.only ?? []), ...(flags.skip ?? [])])
    if (!ids.has(name) && !(actionKinds as readonly string[]).includes(name))
      throw new ConfigurationError(
        `There is no action or kind "${name}". Kinds: ${actionKinds.join(', ')}. Actions now: ${[...ids].join(', ') || 'none'}.`,
      );
  return actions.filter((action) => isChosen(action, flags));
}

function isChosen({ id, kind }: Pick<Action, 'id' | 'kind'>, { only, skip = [] }: PlanFlags): boolean {
  const named = (names: string[]) => names.includes(id) || names.includes(kind);
  return (!only || named(only)) && !named(skip);
}

/** Without what serves nothing but statements that are neither to come nor there. */
function withUse(actions: readonly Action[], journal: readonly JournalEntry[]): Action[] {
  const there = new Set([
    ...actions.map(({ id }) => id),
    ...journal.filter(({ state }) => IN_FORCE.includes(state)).map(({ action }) => action.id),
  ]);
  return actions.filter(({ title, neededBy, findings }) => {
    if (!neededBy || findings.length > 0 || there.has(neededBy)) return true;
    process.stderr.write(`Note: left out, because only ${neededBy} needs it: ${title}\n`);
    return false;
  });
}

/** The pool of the shop that is given is sized; any other belongs to its application: its size is a recommendation. */
async function recommendPools(url: string, flags: PlanFlags, signal: AbortSignal): Promise<void> {
  for (const sighting of await sightPools({ url, signal })) {
    if (sighting.connections < 3 || (flags.shop && sighting.application === SHOP_APPLICATION)) continue;
    const { size, reason } = adviseOnPool(sighting);
    write(
      `Pool of ${sighting.application || 'an unnamed application'}: ${size === null ? '' : `set its size to ${size} in the application. `}${reason}`,
    );
  }
}

/** The shop's pool for the load after the relief. @returns false when it failed */
async function sizePool(
  url: string,
  readUrl: string,
  flags: PlanFlags,
  signal: AbortSignal,
): Promise<boolean> {
  const target = shopTarget(flags.shop);
  if (!target || !isChosen({ id: 'pool', kind: 'pool' }, flags)) return true;
  const { action, reason } = await poolAction(target, readUrl, signal).catch((error: Error) => {
    if (signal.aborted) throw error;
    return { action: undefined, reason: `its load could not be seen (${error.message}).` };
  });
  if (!action) {
    write(`\nThe shop’s pool stays: ${reason}`);
    return true;
  }
  const [timed = action] = await withTimes({
    ...lookingOf(flags),
    url: readUrl,
    actions: [action],
    signal,
  });
  write(`\n${describeAction(timed, 1)}`);
  return applyRound(url, readUrl, [timed], flags, signal);
}

/** @returns whether none of the actions failed */
async function applyRound(
  url: string,
  readUrl: string,
  actions: readonly Action[],
  flags: PlanFlags,
  signal: AbortSignal,
): Promise<boolean> {
  const live = process.stderr.isTTY;
  const show = (text: string) => {
    if (live) process.stderr.write(`\r\x1b[K${text}`);
  };
  let failed = false;
  await applyShortTerm({
    ...lookingOf(flags),
    url,
    readUrl,
    actions,
    reviewDays: flags.reviewDays,
    signal,
    onEvent: (event) => {
      failed ||= event.type === 'failed';
      show('');
      const text = describeEvent(event);
      if (text) write(text);
      else if (event.type === 'measuring') show(`    measuring ${event.what} for ${event.seconds} s`);
      else if (event.type === 'progress')
        show(`    ${event.phase}${event.done === null ? '' : ` ${Math.round(event.done * 100)} %`}`);
    },
  });
  return !failed;
}

/** The options that a plan and its application share. */
const planOptions = (command: Command): Command =>
  command
    .argument('[url]', 'a role that owns the tables; or set DATABASE_URL')
    .option('--only <id...>', 'these actions or kinds only (index, settings, maintenance, query, pool)')
    .option('--skip <id...>', 'not these')
    .option(...SHOP_OPTION)
    .option('--read-url <url>', 'a role with pg_monitor, for diagnosis and measurement')
    .option('--console <url>', 'sqltrail’s console, for traces')
    .option(
      '--prometheus <url>',
      'with --shop: the Prometheus of its customers’ page times, by which its statements and its pool are measured',
    )
    .option(
      '--rounds <n>',
      'diagnose again after the relief, which lets other statements through',
      whole(1),
      3,
    )
    .option('--windows <n>', 'windows measured before and after each action; 0 for none', whole(0), 3)
    .option('--window <seconds>', 'length of a window', whole(1), 5)
    .option('--review-days <n>', 'temporary indexes are to be looked at again after these days', whole(1), 30)
    .addHelpText('after', '\nExit code: 0; 1 when an action failed; 2 for wrong input or no connection.');

/** Diagnoses, shows the plan and, with --yes, applies it; again for what the first round lets through. */
const planAndApply =
  (signal: AbortSignal) =>
  (given: string | undefined, flags: PlanFlags): Promise<void> =>
    reported(async () => {
      const url = ownerUrl(given);
      const readUrl = flags.readUrl ?? url;
      handlersOf(flags);
      const mayChange = flags.yes === true;
      const applied = async (round: Promise<boolean>) => {
        if (!(await round)) process.exitCode = 1;
      };
      const planned: Action[] = [];
      const tried = new Set<string>();
      for (let round = 1; round <= flags.rounds; round += 1) {
        // A name that was there in an earlier round is known in the later ones, although its action is done.
        const found = await planRound(url, readUrl, flags, signal);
        planned.push(...found.filter(({ id }) => !planned.some((known) => known.id === id)));
        const journal = await readJournal(url);
        const actions = withUse(chosenActions(planned, flags), journal).filter(({ id }) => !tried.has(id));
        if (flags.json) {
          write(JSON.stringify(actions, null, 1));
          return;
        }
        const halfDone = journal.filter(
          ({ state, action }) => HALF_DONE.includes(state) && !actions.some(({ id }) => id === action.id),
        );
        if (round === 1 && halfDone.length > 0)
          write(
            `An earlier run ended early; what it left half done comes first: ${halfDone.map(({ action }) => action.title).join('; ')}.\n`,
          );
        if (actions.length === 0) {
          if (round > 1) write('\nNothing more was found.');
          else write('No finding has a fix that can be applied here; sqltrail diagnose shows all findings.');
          if (round === 1 && journal.length > 0 && mayChange)
            await applied(applyRound(url, readUrl, [], flags, signal));
          break;
        }
        write(
          `${round > 1 ? '\nThe relief has let other statements through. ' : ''}${actions.length} ${actions.length === 1 ? 'action' : 'actions, in this order'}:\n`,
        );
        for (const [at, action] of actions.entries()) {
          tried.add(action.id);
          write(`${describeAction(action, at + 1)}\n`);
        }
        write(together(actions, flags));
        if (!mayChange) break;
        await applied(applyRound(url, readUrl, actions, flags, signal));
      }
      if (mayChange) await applied(sizePool(url, readUrl, flags, signal));
      else if (flags.shop) write('The shop’s pool is sized last, for the load after the relief.');
      await recommendPools(readUrl, flags, signal);
      if (!mayChange) {
        write(`Nothing was changed.${tried.size > 0 ? ' sqltrail fix apply --yes applies this plan.' : ''}`);
        return;
      }
      write('\nsqltrail fix list shows what is in force; sqltrail fix revert undoes it.');
    });

/** `sqltrail fix plan | apply | list | revert`. */
export function fixCommand(signal: AbortSignal): Command {
  const fix = new Command('fix').description('apply what the diagnosis found, measured and reversible');
  planOptions(
    fix
      .command('plan')
      .description(
        'diagnose, and show each action with its reason, SQL, lock, risk and time; changes nothing',
      ),
  )
    .option('--json', 'the plan as JSON, and nothing else', false)
    .action(planAndApply(signal));
  planOptions(
    fix
      .command('apply')
      .description(
        'carry the plan out on the live database, measuring each action; one that does not help is reverted',
      ),
  )
    .option('--yes', 'do it; without it the plan is shown, and nothing is changed', false)
    .action(planAndApply(signal));
  fix
    .command('list')
    .description('what was changed, its effect, and what is due for review')
    .argument('[url]', 'the database; or set DATABASE_URL')
    .option('--json', 'the journal as JSON', false)
    .action((given: string | undefined, { json }: { json: boolean }) =>
      reported(async () => {
        const entries = await readJournal(ownerUrl(given));
        if (json) {
          write(JSON.stringify(entries, null, 1));
          return;
        }
        const today = new Date().toISOString().slice(0, 10);
        if (entries.length === 0) write('The journal is empty: nothing was changed by sqltrail.');
        for (const entry of entries) write(describeEntry(entry, today));
        const due = entries.filter(
          ({ reviewOn, state }) => reviewOn && IN_FORCE.includes(state) && reviewOn <= today,
        );
        const halfDone = entries.filter(({ state }) => HALF_DONE.includes(state));
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
    .argument('[url]', 'a role that owns the tables; or set DATABASE_URL')
    .option('--only <id...>', 'these actions; all in force without it')
    .option(...SHOP_OPTION)
    .option('--yes', 'do it', false)
    .action(
      (given: string | undefined, { only, shop, yes }: { only?: string[]; shop?: string; yes: boolean }) =>
        reported(async () => {
          const handlers = handlersOf(shop ? { shop } : {});
          const url = ownerUrl(given);
          const inForce = (await readJournal(url)).filter(({ state }) => state !== 'taken-back');
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
            handlers,
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
