import { isConnectionLost } from '../lib/pg/errors.ts';
import type { Action } from './action.ts';
import type { Change, Work } from './change.ts';
import { type BuildOptions, buildIndex, undoIndex } from './indexBuild.ts';
import { dropIndex, undoDrop } from './indexDrop.ts';
import { runStatements } from './indexes.ts';
import { handOver, runNoted, runSystem, StillUsed, undoNoted } from './settled.ts';
import { type Effect, effectsOf, indexStatement } from './statement.ts';

const NOTED: readonly Effect['on'][] = ['options', 'column', 'setting', 'extension'];

/**
 * The statements that say what indexes an action builds: where some are for the parts of a partitioned table, the one for
 * the whole alone, because the parts follow from it.
 */
export function buildStatements(sql: readonly string[]): string[] {
  const builds = sql.filter((statement) => effectsOf(statement)[0]?.on === 'new-index');
  const whole = builds.filter((statement) => indexStatement(statement)?.only);
  return whole.length > 0 ? whole : builds;
}

/**
 * Carries out the SQL of an action, or resumes it, and notes what each statement changes with what was there
 * before.
 *
 * @returns what is to be known of it; `built: false` where there was nothing to do
 */
export async function carryOut(
  work: Work,
  action: Pick<Action, 'sql' | 'bytes'>,
  options: Pick<BuildOptions, 'comment' | 'connect' | 'onProgress'>,
): Promise<{ built: boolean; note?: string }> {
  const builds = buildStatements(action.sql);
  const results: { built: boolean; note?: string }[] = [];
  for (const sql of action.sql) {
    work.signal.throwIfAborted();
    const effects = effectsOf(sql);
    const [first] = effects;
    if (builds.includes(sql)) results.push(await buildIndex(work, { ...options, sql, bytes: action.bytes }));
    else if (first?.on === 'new-index' || first?.on === 'attached-index') continue;
    else if (first?.on === 'dropped-index')
      for (const effect of effects) await dropIndex(work, (effect as typeof first).index);
    else if (first?.on === 'system') await runSystem(work, sql, first.name);
    else if (effects.length > 0 && effects.every(({ on }) => NOTED.includes(on)))
      await runNoted(work, sql, effects);
    else await runStatements(work.client, [sql], work.signal);
  }
  const note = results.flatMap((result) => result.note ?? []).join('; ');
  return {
    built: results.length === 0 || results.some(({ built }) => built),
    ...(note ? { note } : {}),
  };
}

/** Whether the SQL of an action does what nobody but its author knows how to undo. */
const isOther = (sql: string) => effectsOf(sql).some(({ on }) => on === 'other');

export interface Undone {
  /** What was left as the owner has it since, or is used by others, in words. */
  remarks: string[];
}

/**
 * Undoes what was noted, the last first. What cannot be undone does not keep the rest from it.
 *
 * @param later changes of later actions that are in force; they take over what they set again
 * @throws the first thing that failed, after all has been tried
 */
export async function revertChanges(
  work: Work,
  action: Pick<Action, 'sql' | 'undo'>,
  later: readonly { changes: Change[]; save: () => Promise<void> }[],
): Promise<Undone> {
  const remarks: string[] = [];
  const failures: unknown[] = [];
  const attempt = async (run: () => Promise<unknown>) => {
    try {
      await run();
    } catch (error) {
      if (work.signal.aborted || isConnectionLost(error)) throw error;
      if (error instanceof StillUsed) remarks.push(error.message);
      else failures.push(error);
    }
  };
  // An index of a whole table goes before those that it holds together, of which one may have been built after it.
  const isWhole = (change: Change) => change.change === 'index' && change.parent;
  const inOrder = work.changes.toReversed();
  for (const change of [...inOrder.filter(isWhole), ...inOrder.filter((each) => !isWhole(each))]) {
    if (change.undone) continue;
    await attempt(async () => {
      if (change.change === 'index')
        return undoIndex(work, change).then((remark) => remark && remarks.push(remark));
      if (change.change === 'dropped-index')
        return undoDrop(work, change).then((remark) => remark && remarks.push(remark));
      for (const other of later) {
        const was = JSON.stringify(other.changes);
        for (const each of other.changes) if (!each.undone) handOver(change, each);
        if (JSON.stringify(other.changes) !== was) await other.save();
      }
      const remark = await undoNoted(work, change);
      if (remark) remarks.push(remark);
    });
  }
  if (action.sql.some(isOther))
    for (const sql of action.undo.filter(isOther))
      await attempt(() => runStatements(work.client, [sql], work.signal));
  if (failures.length > 0) throw failures[0];
  return { remarks };
}
