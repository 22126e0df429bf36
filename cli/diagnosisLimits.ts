import { Option } from 'commander';
import { defaultDiagnosis } from '../diagnosis/run.ts';
import { seconds } from './arguments.ts';

/** Milliseconds. */
export interface LimitFlags {
  deadline: number;
  budget: number;
}

export const deadlineOption = () =>
  new Option('--deadline <seconds>', 'maximum wall-clock time of a diagnosis')
    .argParser(seconds(1))
    .default(defaultDiagnosis.deadlineMs, String(defaultDiagnosis.deadlineMs / 1000));

export const budgetOption = () =>
  new Option('--budget <seconds>', 'maximum database time of a diagnosis')
    .argParser(seconds(0.1))
    .default(defaultDiagnosis.budgetMs, String(defaultDiagnosis.budgetMs / 1000));

/** The limits that a diagnosis names where it ended early, for every command that makes one. */
export const limitsOf = ({ deadline, budget }: LimitFlags) => ({ deadlineMs: deadline, budgetMs: budget });
