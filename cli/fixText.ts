import type { Action } from '../fix/action.ts';
import type { ApplyEvent } from '../fix/apply.ts';
import { secondsText, timeText } from '../fix/duration.ts';
import { isDueForReview, isInForce, type JournalEntry } from '../fix/journalEntry.ts';
import type { MediumTerm } from '../fix/mediumTerm.ts';
import { mediumTermText, operationText } from '../fix/mediumTermText.ts';
import { bytesText } from '../lib/units/format.ts';

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
    `     Time: ${action.time ? timeText(action.time) : 'unknown: a sample of its table could not be timed'}`,
    ...(action.bytes === null ? [] : [`     Disk: about ${bytesText(action.bytes)}`]),
    ...(action.undo.length > 0 ? [`     Undo: ${action.undo.join('; ')};`] : []),
  ].join('\n');
}

/** An online migration, as one reads it before planning that. */
export function describeMediumTerm(planned: MediumTerm): string {
  const { operation, findings, severity, lock, command } = planned;
  const { size, time, disk } = mediumTermText(planned);
  return [
    `  – ${operationText(operation)}   [${severity}]`,
    `     Why:  ${findings.map(({ title }) => title).join('; ')}`,
    `     Size: ${size}`,
    `     Time: ${time}`,
    `     Disk: ${disk}`,
    `     Lock: ${lock}`,
    `     Plan: ${command}`,
  ].join('\n');
}

export function describeEvent(event: ApplyEvent): string | undefined {
  const { title } = event.action;
  if (event.type === 'applying') return `  … ${title}`;
  if (event.type === 'kept') return `  ✔ ${title}: ${event.note}`;
  if (event.type === 'reverted') return `  ↩ ${title}: reverted, ${event.note}`;
  if (event.type === 'skipped') return `  – ${title}: ${event.note}`;
  if (event.type === 'failed') return `  ✖ ${title}: ${event.note}`;
  return undefined;
}

/** An entry of the journal on two lines. */
export function describeEntry(entry: JournalEntry): string {
  const { action, state, startedAt, reviewOn, note, owner, applySeconds } = entry;
  const review = isInForce(entry) ? reviewOn : null;
  const why = action.temporary ? 'temporary, ' : '';
  const expected = action.time ? ` (${secondsText(action.time.applySeconds)} expected)` : '';
  const took = applySeconds === null ? '' : `; applied in ${applySeconds.toFixed(1)} s${expected}`;
  return [
    `${state.padEnd(11)} ${startedAt.slice(0, 16).replace('T', ' ')}  ${action.title}   [${action.id}]`,
    `            by ${owner}${took}${review ? `; ${why}review on ${review}${isDueForReview(entry) ? ' — due' : ''}` : ''}${note ? `; ${note}` : ''}`,
  ].join('\n');
}

/** What undo will do, as far as it is noted; by the SQL that was planned otherwise. */
export function describeUndo({ action, changes }: JournalEntry): string {
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
