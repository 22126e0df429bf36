#!/usr/bin/env node
import { mkdirSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import path from 'node:path';
import { cacheDirectory } from '../lib/cacheDirectory.ts';

// Stripping types takes a third of the start, which is long on a machine that is overloaded. Not Node's own place for it,
// which any user of the machine could have made before.
const directory = path.join(cacheDirectory(), 'compiled');
try {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  enableCompileCache(directory);
} catch {
  // Without a place for it, each start takes its time.
}
await import('./clone.ts');
