import { durationText, numberText } from '../../lib/units/format.ts';
import type { FindingState } from '../../watch/history.ts';
import type { WatchReading } from '../diagnosis.ts';
import { ago } from './format.ts';
import { useTopic } from './live.ts';
import { findingLink, SeverityMark, statementLink } from './parts.tsx';

export const findingStateWords: Record<FindingState, string> = {
  new: '● new',
  open: '○ open',
  mitigated: '◐ mitigated',
  resolved: '✓ resolved',
};

/** How long a finding has been in its state, by the history. */
export function StateOf({ id }: { id: string }) {
  const { data } = useTopic('diagnosis');
  const tracked = data?.watch?.findings.find((finding) => finding.id === id);
  if (!tracked) return null;
  const { state, since, firstSeenAt } = tracked;
  return (
    <span class={`state finding-${state}`} title={`First found ${firstSeenAt}`}>
      {findingStateWords[state]} for {ago(since)}
    </span>
  );
}

const outcomeWords = { complete: 'complete', partial: 'not complete', failed: 'failed', skipped: 'skipped' };

function LastRun({ lastRun }: Pick<WatchReading, 'lastRun'>) {
  if (!lastRun) return <>no run yet</>;
  const { startedAt, outcome, seconds, databaseSeconds, reason } = lastRun;
  return (
    <>
      last run {ago(startedAt)} ago, {outcomeWords[outcome]}
      {reason
        ? `: ${reason}`
        : ` in ${numberText(seconds)} s, ${numberText(databaseSeconds)} s of the database`}
    </>
  );
}

/** What the schedule has found over time: what is shown nowhere else, because the last diagnosis has it no more. */
export function WatchHistory({ shown }: { shown: ReadonlySet<string> }) {
  const { data } = useTopic('diagnosis');
  const watch = data?.watch;
  if (!watch) return null;
  const earlier = watch.findings.filter(({ id }) => !shown.has(id));
  return (
    <section aria-labelledby="watch-title">
      <h3 id="watch-title">Over time</h3>
      <p class="soft">
        {watch.everySeconds === null
          ? 'No scheduled diagnosis.'
          : `Every ${durationText(watch.everySeconds)}; `}
        {watch.everySeconds === null ? null : <LastRun lastRun={watch.lastRun} />}
      </p>
      {watch.slowdowns.length > 0 ? (
        <>
          <h4>Statements that are slower since their plan changed</h4>
          <ul class="findings">
            {watch.slowdowns.map(({ fingerprint, summary, ratio, meanMs, formerMs, scans, formerScans }) => (
              <li key={fingerprint} class="finding warning">
                <a href={statementLink(summary)}>{summary}</a>{' '}
                <span class="share">
                  {numberText(ratio)} × as long: {numberText(formerMs)} ms before, {numberText(meanMs)} ms now
                </span>
                <p class="small soft">
                  Before: {formerScans.join(', ')}. Now: {scans.join(', ')}.
                </p>
              </li>
            ))}
          </ul>
        </>
      ) : null}
      {earlier.length > 0 ? (
        <details open={shown.size === 0}>
          <summary>{earlier.length} of earlier runs</summary>
          <ul class="findings">
            {earlier.map(({ id, severity, title }) => (
              <li key={id} class={`finding ${severity}`}>
                <SeverityMark severity={severity} /> <a href={findingLink(id)}>{title}</a> <StateOf id={id} />
              </li>
            ))}
          </ul>
        </details>
      ) : null}
    </section>
  );
}
