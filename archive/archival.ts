import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { restMs } from '../lib/dutyCycle.ts';
import { OperationError } from '../lib/pg/errors.ts';
import type { ArchivePolicy, ArchiveUnit } from './policy.ts';

export interface ArchiveOptions {
  /** URL of the owner of the tables; never printed. */
  url: string;
  policy: ArchivePolicy;
  /** Where the files go; made when it is not there. */
  directory: string;
  /** Further directories, on other disks, that get a copy of each file. */
  copies?: readonly string[];
  /** Names of units; all without it. */
  only?: readonly string[];
  /** Units in a file. */
  segmentUnits?: number;
  /** A deletion is sized to take this long, milliseconds. */
  batchMs?: number;
  /** Share of time in which files are made and rows deleted (0 to 1). */
  dutyCycle?: number;
  signal?: AbortSignal;
  onProgress?: (progress: ArchiveProgress) => void;
}

export type ArchiveProgress =
  | { event: 'dropped'; unit: string; segment: number; why: string }
  | { event: 'exported'; unit: string; segment: number; units: number; bytes: number; seconds: number }
  | { event: 'removing'; unit: string; segment: number; removed: number; units: number }
  | { event: 'archived'; unit: string; segment: number; units: number; kept: number }
  | { event: 'detached'; unit: string; table: string }
  | { event: 'vacuum'; table: string };

const defaults = { segmentUnits: 20_000, batchMs: 50, dutyCycle: 0.25 };

/** A run of the archive: its connection, and the options with their defaults. */
export interface Archival {
  client: pg.Client;
  options: ArchiveOptions & typeof defaults;
  /** The path of a file of the archive. */
  at(file: string): string;
  say(progress: ArchiveProgress): void;
  /** After work that took so long, as the duty cycle has it. */
  rest(tookMs: number): Promise<void>;
}

export function archivalOf(client: pg.Client, options: ArchiveOptions): Archival {
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const all = { ...defaults, ...(given as unknown as ArchiveOptions) };
  return {
    client,
    options: all,
    at: (file) => path.join(all.directory, file),
    say: (progress) => all.onProgress?.(progress),
    rest: async (tookMs) => {
      const ms = restMs(tookMs, all.dutyCycle);
      if (ms >= 1) await sleep(ms);
    },
  };
}

/** All that get the files. */
export const directoriesOf = ({ directory, copies = [] }: Pick<ArchiveOptions, 'directory' | 'copies'>) => [
  directory,
  ...copies,
];

export const chosen = ({ policy, only }: Pick<ArchiveOptions, 'policy' | 'only'>): ArchiveUnit[] => {
  const unknown = only?.filter((each) => !policy.units.some(({ name: known }) => known === each)) ?? [];
  if (unknown.length > 0)
    throw new OperationError(
      `The policy has no unit ${unknown.join(', ')}; it has ${policy.units.map(({ name: each }) => each).join(', ')}.`,
    );
  return policy.units.filter(({ name: each }) => !only || only.includes(each));
};
