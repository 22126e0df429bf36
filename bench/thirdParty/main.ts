import { spawn } from 'node:child_process';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { freePort } from '../../lib/freePort.ts';
import { diagnoseWhatWasDone, type ForeignDatabase, judge } from './database.ts';
import { database as djangoOscar } from './django-oscar/expectedFindings.ts';
import { database as graphileWorker } from './graphile-worker/expectedFindings.ts';
import { database as pgBoss } from './pg-boss/expectedFindings.ts';
import { databases as pgbench } from './pgbench/expectedFindings.ts';
import { startJudgeServer } from './server.ts';
import { database as vendure } from './vendure/expectedFindings.ts';

/** Precision and recall of the diagnosis on databases that were not written for this project; see README.md. */
const all: ForeignDatabase[] = [...pgbench, pgBoss, graphileWorker, djangoOscar, vendure];
const names = process.argv.slice(2);
const unknown = names.filter((name) => !all.some((database) => database.name === name));
if (unknown.length > 0) {
  process.stderr.write(`usage: node bench/thirdParty/main.ts [${all.map(({ name }) => name).join('|')}]…\n`);
  process.exit(2);
}

const scratch = process.env['JUDGE_DIR'] ?? path.join(tmpdir(), 'sqltrail-judge');
const cluster = path.join(scratch, `cluster-${process.pid}`);
const server = await startJudgeServer(cluster);

function run(command: string, args: string[], cwd: string, env: NodeJS.ProcessEnv = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        output = `${output}${chunk}`.slice(-2_000);
      });
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0
        ? resolve()
        : reject(new Error(`${command} ${args.join(' ')} ended with ${code}: ${output}`)),
    );
  });
}

async function prepare({ name, packages, steps }: ForeignDatabase): Promise<string> {
  const dir = path.join(scratch, name);
  await mkdir(dir, { recursive: true });
  await cp(path.join(import.meta.dirname, name), dir, { recursive: true }).catch(() => {});
  if (packages && 'npm' in packages) {
    await writeFile(path.join(dir, 'package.json'), '{"private":true}');
    await run(
      'npm',
      ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--no-save', ...packages.npm],
      dir,
    );
  } else if (packages) {
    await run('python3', ['-m', 'venv', 'venv'], dir);
    await run(path.join(dir, 'venv/bin/pip'), ['install', '-q', ...packages.pip], dir);
  }
  const admin = new pg.Client(server.url());
  await admin.connect();
  await admin.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`);
  await admin.end();
  const url = server.url(name);
  const client = new pg.Client(url);
  await client.connect();
  await client.query('CREATE EXTENSION pg_stat_statements');
  const { rowCount: hypopg } = await client.query(
    "SELECT FROM pg_available_extensions WHERE name = 'hypopg'",
  );
  if (hypopg) await client.query('CREATE EXTENSION hypopg');
  const env = {
    DATABASE_URL: url,
    PGHOST: '127.0.0.1',
    PGPORT: String(server.port),
    PGUSER: 'postgres',
    PGPASSWORD: 'bench-only',
    PGDATABASE: name,
    PORT: String(await freePort()),
  };
  for (const step of steps) {
    if ('sql' in step) await client.query(step.sql);
    else await run(step.command === 'node' ? process.execPath : step.command, step.args, dir, env);
  }
  await client.query('ANALYZE');
  await client.end();
  return url;
}

const lines: string[] = [];
try {
  for (const database of all.filter(({ name }) => names.length === 0 || names.includes(name))) {
    process.stderr.write(`${database.name} (${database.source})\n`);
    const url = await prepare(database);
    const { findings, partial, notes, tables, bytes } = await diagnoseWhatWasDone(url);
    const { right, wrong, missed } = judge(findings, database.truth);
    if (partial) process.stderr.write(`  partial: ${notes.join('; ')}\n`);
    for (const { id, confidence } of right)
      process.stderr.write(
        `  true    ${id} (${confidence.level}${confidence.note ? `: ${confidence.note}` : ''})\n`,
      );
    for (const finding of wrong) process.stderr.write(`  FALSE   ${finding.id}: ${finding.title}\n`);
    for (const { check, table, columns = [] } of missed)
      process.stderr.write(`  MISSED  ${check}:${table}(${columns.join(',')})\n`);
    const share = (part: number, of: number) => (of === 0 ? '-' : (part / of).toFixed(2));
    const alarms = right.length + wrong.length;
    const found = database.truth.length - missed.length;
    lines.push(
      `| ${database.source} | ${tables} | ${(bytes / 1e6).toFixed(0)} MB | ${database.truth.length} | ${missed.length} | ${share(found, database.truth.length)} | ${right.length} | ${wrong.length} | ${share(right.length, alarms)} |`,
    );
  }
  process.stdout.write(
    `| database | tables | size | causes | missed | recall | true warnings | false warnings | precision |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n${lines.join('\n')}\n`,
  );
} finally {
  await server.stop();
  await rm(cluster, { recursive: true, force: true });
}
