import type { AsyncLocalStorage } from 'node:async_hooks';
import type { Check, CheckContext } from './check.ts';
import { awaitedLater } from './checks/shared.ts';
import type { CheckRun } from './diagnosis.ts';
import type { Finding } from './finding.ts';
import { verifyFix } from './proposals/verify.ts';
import type { Account } from './session.ts';

/**
 * Checks that run at the same time, besides those of the model: while one waits for the server or computes, others ask,
 * and what they ask goes to the server together. Those of the model share large samples and divide the time that is
 * left among themselves, so they run one after another.
 */
const SIDE_BY_SIDE = 4;

/** The check that runs in this asynchronous context, and what its statements took. */
export type Accounts = AsyncLocalStorage<Account & { check: Check }>;

export interface Ran {
  run: CheckRun;
  /** What was found before it failed, where it did. */
  findings: Finding[];
}

export interface RunChecksOptions {
  context: CheckContext;
  accounts: Accounts;
  /** Settles when the workload is known; until then only checks that do not look at it run. */
  observation?: Promise<void> | undefined;
  onProgress?: ((event: { check: string; at: number; of: number; findings: number }) => void) | undefined;
  /**
   * Takes why a check failed. `ends`: no other one can begin.
   *
   * @throws what ends the whole run
   */
  failed(error: unknown): { problem: string; ends: boolean };
}

/**
 * Runs each check once. A check that fails costs its own findings only.
 *
 * @returns those that ran
 * @throws what `observation` or `failed` throws
 */
export async function runChecks(
  checks: readonly Check[],
  { context, accounts, observation, onProgress, failed }: RunChecksOptions,
): Promise<Map<Check, Ran>> {
  const done = new Map<Check, Ran>();
  let observing = observation !== undefined;
  const observed = observation?.then(() => {
    observing = false;
  });
  let ended = false;
  const run = async (check: Check): Promise<void> => {
    onProgress?.({
      check: check.title,
      at: done.size,
      of: checks.length,
      findings: [...done.values()].reduce((sum, { findings }) => sum + findings.length, 0),
    });
    const findings: Finding[] = [];
    const account = { check, busyMs: 0 };
    let problem: string | undefined;
    try {
      context.signal.throwIfAborted();
      await accounts.run(account, () => runCheck(check, context, (finding) => findings.push(finding)));
    } catch (error) {
      const failure = failed(error);
      problem = failure.problem;
      ended ||= failure.ends;
    }
    done.set(check, {
      run: {
        id: check.id,
        outcome: problem === undefined ? 'complete' : 'failed',
        findings: findings.length,
        busyMs: Math.round(account.busyMs),
        ...(problem ? { problem } : {}),
      },
      findings,
    });
  };
  const lane = async (waiting: Check[]): Promise<void> => {
    for (let next = waiting[0]; next && !ended; next = waiting[0]) {
      if (observing && !next.whileObserving) {
        await observed;
        continue;
      }
      waiting.shift();
      await run(next);
    }
  };
  // What can run before the workload is known leaves the time after it to the others.
  const inOrder = checks.toSorted((a, b) => Number(b.whileObserving ?? 0) - Number(a.whileObserving ?? 0));
  const ofModel = inOrder.filter(({ group }) => group === 'model');
  const others = inOrder.filter(({ group }) => group !== 'model');
  await Promise.all([observed, lane(ofModel), ...Array.from({ length: SIDE_BY_SIDE }, () => lane(others))]);
  return done;
}

/**
 * The findings of a check, in its order; they are verified side by side, so that this takes few round trips. What was
 * found before an error stays.
 *
 * @param keep takes each finding
 * @throws what ended the check, or the verification of one of its findings
 */
async function runCheck(
  check: Check,
  context: CheckContext,
  keep: (finding: Finding) => void,
): Promise<void> {
  const verifying: Promise<Finding>[] = [];
  let failed: { error: unknown } | undefined;
  try {
    for await (const finding of check.run(context)) {
      verifying.push(awaitedLater(verifyFix(context, finding)));
    }
  } catch (error) {
    failed = { error };
  }
  for (const result of await Promise.allSettled(verifying))
    if (result.status === 'fulfilled') keep(result.value);
    else failed ??= { error: result.reason };
  if (failed) throw failed.error;
}
