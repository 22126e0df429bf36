import { setFlagsFromString } from 'node:v8';

/**
 * V8's optimising compiler takes 600 MB for a second when it comes to the parser, which is WebAssembly, and gains nothing
 * (bench/parserMemory.ts). So all of it is compiled at once by the baseline compiler, which leaves out what would call
 * the other one; functions that are compiled later, when they are first called, would be compiled by the flags of then.
 * The service's own modules come after that, and are optimised as ever.
 */
const BASELINE_ONLY = {
  'liftoff-only': true,
  'wasm-tier-up': false,
  'wasm-dynamic-tiering': false,
  'wasm-lazy-compilation': false,
};

const setFlags = (reverse: boolean) => {
  for (const [flag, on] of Object.entries(BASELINE_ONLY))
    setFlagsFromString(`--${on === reverse ? 'no-' : ''}${flag}`);
};

type Parser = typeof import('libpg-query');
let parser: Parser | undefined;
let loading: Promise<void> | undefined;

async function load(): Promise<void> {
  // Who has given the flag wants it for everything, and nothing may be reset.
  const isGiven = process.execArgv.includes('--liftoff-only');
  if (!isGiven) setFlags(false);
  // Compiling by itself does not keep a process alive.
  const alive = setInterval(() => {}, 60_000);
  try {
    // Imported only now: it compiles when it is evaluated.
    const module = await import('libpg-query');
    await module.loadModule();
    parser = module;
  } finally {
    clearInterval(alive);
    if (!isGiven) setFlags(true);
  }
}

/** Resolves when Postgres's parser is there. */
export function loadParser(): Promise<void> {
  loading ??= load();
  return loading;
}

/** Postgres's own parser; undefined before {@link loadParser} has resolved. */
export const loadedParser = (): Parser | undefined => parser;
