import { setFlagsFromString } from 'node:v8';
import { commands } from './commands.ts';
import { runProgram } from './program.ts';

// V8's optimising compiler takes 600 MB for a second when it comes to Postgres's parser, which is WebAssembly and is
// loaded after this (bench/parserMemory.ts); in a clone the flag is part of the command line.
setFlagsFromString('--liftoff-only');

await runProgram({ commands });
