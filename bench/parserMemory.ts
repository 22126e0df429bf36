import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeStatement, loadParser } from '../instrumentation/statement.ts';

/**
 * What V8's optimising compiler costs when it comes to Postgres's parser, and what it brings (Linux).
 * node bench/parserMemory.ts
 */
if (process.argv[2] === 'parse') {
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
  for (const flags of [[], ['--liftoff-only']]) {
    const { stdout, stderr } = spawnSync(process.execPath, [...flags, import.meta.filename, 'parse'], {
      encoding: 'utf8',
    });
    process.stdout.write(`node ${flags.join(' ')}: ${stdout || stderr}`);
  }
