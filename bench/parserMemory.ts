import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeStatement, loadParser } from '../instrumentation/statement.ts';

/**
 * What V8's optimising compiler costs when it comes to Postgres's parser, and what it brings (Linux).
 * node bench/parserMemory.ts [the Node to measure with]
 */
const [mode, node = process.execPath] = [process.argv[2] ?? '', process.argv[2]];
if (mode.startsWith('parse')) {
  // Compiled as V8 likes, before loadParser sees to it.
  if (mode === 'parse-optimised') await (await import('libpg-query')).loadModule();
  await loadParser();
  const started = performance.now();
  for (let i = 0; i < 3_000; i += 1)
    describeStatement(
      `SELECT a.x${i}, b.y FROM orders a JOIN items b ON a.id = b.order_id WHERE a.email = $1 AND lower(b.z) = 'v${i}' LIMIT 20`,
    );
  const ms = performance.now() - started;
  // It compiles in the background.
  await sleep(3_000);
  const [, kib] = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  process.stdout.write(
    `${Math.round(Number(kib) / 1024)} MiB at most, ${Math.round(ms)} ms for 3,000 statements\n`,
  );
} else
  for (const [what, flags, run] of [
    ['optimised', [], 'parse-optimised'],
    ['as loadParser compiles it', [], 'parse'],
    ['with --liftoff-only', ['--liftoff-only'], 'parse-optimised'],
  ] as const) {
    const { stdout, stderr } = spawnSync(node, [...flags, import.meta.filename, run], { encoding: 'utf8' });
    process.stdout.write(`${what}: ${stdout || stderr}`);
  }
