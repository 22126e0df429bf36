import { Sentences, together, Words } from '../../report/sentence.ts';
import type { ActionReading } from '../actions.ts';
import { type ClaimName, groundsOf, type Shown, WAITING } from './grounds.ts';

export type Saying = Sentences<ClaimName>;

/** For what a page was told; what it does not bear is an empty text. */
export const sayingOf = (shown: Shown): Saying => new Sentences(groundsOf(shown));

/** How customers fare, for everybody. */
export const customersFare = ({ when }: Saying): string =>
  when('an objective of customers is missed')`✗ Customers are having trouble.` ||
  when('nothing of customers is measured')`There are no customers to measure right now.` ||
  when(
    'objectives of customers are met',
    'an alert pages',
  )`○ Customers are served as they should be now, and an alert still pages.` ||
  when(
    'objectives of customers are met',
    'alerts are not known',
  )`○ Customers are served as they should be now; whether an alert pages is not known.` ||
  when('objectives of customers are met', 'no alert pages')`✓ Customers are served as they should be.`;

/** The same for whoever is on call, in the words of objectives. */
export const customersJudged = ({ when }: Saying): string =>
  when('an objective of customers is missed')`✗ Customers are affected.` ||
  when('nothing of customers is measured')`○ No traffic to judge by.` ||
  when(
    'objectives of customers are met',
    'an alert pages',
  )`○ Within the objectives now, and an alert still pages.` ||
  when(
    'objectives of customers are met',
    'alerts are not known',
  )`○ Within the objectives now; whether an alert pages is not known.` ||
  when('objectives of customers are met', 'no alert pages')`✓ Customers are served within the objectives.`;

/** How many objectives are missed, and how many alerts there are. */
export const counts = ({ say }: Saying): string =>
  [
    say`Objectives missed: ${'objectives:missed'} of ${'objectives:judged'} with data.`,
    say`Alerts firing: ${'alerts:firing'}.`,
  ]
    .filter(Boolean)
    .join(' ');

/** What it means for a customer that one of these misses its objective. */
export const troubles = ({ when }: Saying): string[] =>
  [
    WAITING.map((id) => when(`the KPI is missed: ${id}`)`Pages are slow.`).find(Boolean) ?? '',
    when('the KPI is missed: request-failure-ratio')`Some pages show an error.`,
    when('the KPI is missed: checkout-failure-ratio')`Some purchases cannot be completed.`,
    when(
      'an objective of customers is missed',
      'sales are lost',
    )`At this rate, sales of ${'kpi:lost-basket-value'} are lost.`,
  ].filter(Boolean);

/** What a step is, for those who do not run databases. */
const STEPS: Record<ActionReading['action']['kind'], string> = {
  index: 'An index, like the one in a book, to find an entry without reading all of them',
  settings: 'A setting that suits this work better',
  maintenance: 'Cleaning up outdated data',
  query: 'Reading data in fewer and smaller steps',
  pool: 'As much work at a time as the database can handle well',
};

export function aboutStep({ known }: Saying, { action: { kind, index } }: ActionReading): string {
  const what = new Words(STEPS[kind]);
  return index
    ? known('fix/action.ts')`${what}: ${new Words(index.table.replaceAll('_', ' '))}`
    : known('fix/action.ts')`${what}`;
}

/** How far a step is, and whether it helped. */
export function howFar({ when, ask }: Saying, { action: { id }, state }: ActionReading): string {
  switch (state) {
    case 'kept':
      return (
        when(
          `in force: ${id}`,
          `certainly faster: ${id}`,
        )`✓ in place: ${`action:${id}:speedup`} times as fast` || when(`in force: ${id}`)`✓ in place`
      );
    case 'reverted':
      return (
        when(`reverted by hand: ${id}`)`↩ reverted by hand` ||
        when(`measured without gain: ${id}`)`↩ tried, and reverted: it did not help` ||
        when(`reverted: ${id}`)`↩ tried, and reverted`
      );
    case 'failed':
      return when(`failed: ${id}`)`✗ could not be done`;
    default:
      return state === 'proposed' ? ask`○ proposed` : ask`… under way`;
  }
}

/** The measured effect of an action with its interval; empty without one. */
export const effectOf = ({ say }: Saying, id: string): string =>
  say`${`action:${id}:speedup`} × as fast (95 %: ${`action:${id}:low`} to ${`action:${id}:high`})`;

export const nothingToDo = ({ when }: Saying): string =>
  when('nothing done or proposed')`No actions have been applied or proposed.`;

/** For everybody; empty where steps are shown, or are not known yet. */
export const noRepairs = ({ when }: Saying): string => when('nothing done or proposed')`None yet.`;

/** In place of the SQL that undoes it. */
export const noUndo = ({ when }: Saying, id: string): string =>
  when(`has nothing to undo: ${id}`)`None needed.`;

/** What the commands of the pages do. */
export const commandNote = ({ known }: Saying): string =>
  known('cli/fix.integration.test.ts')`Without --yes the command shows the plan and changes nothing.`;
export const migrationsNote = ({ known }: Saying): string =>
  together(
    known(
      'migrate/operations/rebuild.integration.test.ts',
    )`These rebuild tables, online and with a way back, and are not started from this page.`,
    known(
      'cli/migrateOperation.integration.test.ts',
    )`Each command writes a plan to review, and changes nothing; it takes the address of the database from DATABASE_URL, with the role that owns the table.`,
  );

export const verdictOn = ({ when }: Saying, id: string): string =>
  when(`the KPI is met: ${id}`)`✓ met` ||
  when(`the KPI is missed: ${id}`)`✗ missed` ||
  when(`the KPI has no value: ${id}`)`○ no data`;

/** Why no finding stands under a KPI; empty while one does. */
export const unexplained = ({ when }: Saying, id: string): string =>
  when(`diagnosed, and no finding explains it: ${id}`)`The last diagnosis found no explanation.` ||
  when('not diagnosed')`No diagnosis has been run yet.`;

/** The mood of a sentence that begins with ✗, ✓ or ○. */
export const moodOf = (sentence: string): 'bad' | 'good' | 'unknown' =>
  sentence.startsWith('✗') ? 'bad' : sentence.startsWith('✓') ? 'good' : 'unknown';

/** All that the pages for everybody, of the incident, of KPIs and of actions assert of what they were told, for the checker. */
export function assertedOf(shown: Shown): Saying['sentences'] {
  const saying = sayingOf(shown);
  customersFare(saying);
  customersJudged(saying);
  counts(saying);
  troubles(saying);
  nothingToDo(saying);
  noRepairs(saying);
  commandNote(saying);
  migrationsNote(saying);
  for (const { id } of shown.kpis ?? []) {
    verdictOn(saying, id);
    unexplained(saying, id);
  }
  for (const entry of shown.actions ?? []) {
    aboutStep(saying, entry);
    howFar(saying, entry);
    effectOf(saying, entry.action.id);
    noUndo(saying, entry.action.id);
  }
  return saying.sentences;
}
