import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { CONFIG_FILE } from '../config/inForce.ts';
import { parseConfig } from '../config/load.ts';
import { defaultDiagnosis } from '../diagnosis/run.ts';
import { openSession } from '../diagnosis/session.ts';
import { ConfigurationError } from '../lib/errors.ts';
import { openDirect } from '../lib/pg/connect.ts';
import { databaseUrl, reported } from './database.ts';
import { initialFile, plainName, type ServiceFacts } from './initFile.ts';
import { type DatabaseFacts, readDatabase } from './initRead.ts';
import { createRole, type MonitorRole, roleSql } from './monitorRole.ts';
import { startLines } from './observedText.ts';
import { collectorAnswers, readMetrics } from './surroundings.ts';

interface Options {
  service: string[];
  metrics: string[];
  collector?: string;
  out: string;
  force: boolean;
  role: string;
  createRole: boolean;
  plans: boolean;
  yes: boolean;
}

const PASSWORD = 'SQLTRAIL_MONITOR_PASSWORD';
const WITHOUT_PLANS =
  'This role cannot explain statements, as it may read no table: diagnosed with it, a database has no missing index. --plans lets it, with GRANT pg_read_all_data.';
const collected = (value: string, before: string[]) => [...before, value];
const say = (text = ''): void => {
  process.stdout.write(`${text}\n`);
};

async function readFacts(url: string, signal: AbortSignal): Promise<DatabaseFacts> {
  const session = await reported(() => openSession({ ...defaultDiagnosis, url, dutyCycle: 1, signal }));
  try {
    return await readDatabase(session);
  } finally {
    await session.close();
  }
}

/** The services by what was given and by what their metrics say; one that does not answer is named all the same. */
async function servicesOf({ service, metrics }: Options): Promise<ServiceFacts[]> {
  const services: ServiceFacts[] = service.map((name) => ({ name, metrics: [], pools: [] }));
  for (const [index, target] of metrics.entries()) {
    const emitted = await readMetrics(target).catch((error: Error) => {
      say(`${target}: ${error.message}. It is in the file; correct it where it is wrong.`);
      return undefined;
    });
    if (emitted && emitted.missing.length > 0)
      say(
        `${target}: has no ${emitted.missing.join(', ')}. Does the service run with @sqltrail/instrumentation?`,
      );
    const found: ServiceFacts = {
      name: plainName(service[index] ?? emitted?.service ?? '', `service-${index + 1}`),
      metrics: [target],
      pools: emitted?.pools ?? [],
    };
    services[index] = found;
  }
  return services.length > 0 ? services : [{ name: 'my-service', metrics: [], pools: [] }];
}

function sayStatements({ pgStatStatements, preloaded, statementsSchema }: DatabaseFacts): void {
  if (pgStatStatements) {
    say('pg_stat_statements is there.');
    return;
  }
  if (statementsSchema !== undefined) {
    say('pg_stat_statements is there, and this role may not read it; one with pg_monitor may.');
    return;
  }
  say(
    preloaded
      ? 'pg_stat_statements is loaded; what is missing is, as a superuser: CREATE EXTENSION pg_stat_statements'
      : 'pg_stat_statements is missing. Add it to shared_preload_libraries, restart the server, and run: CREATE EXTENSION pg_stat_statements',
  );
}

async function makeRole(url: string, role: MonitorRole): Promise<void> {
  const password = process.env[PASSWORD];
  if (!password)
    throw new ConfigurationError(
      `--create-role needs the new role's password in ${PASSWORD}, for example: ${PASSWORD}="$(openssl rand -base64 24)". The password is never on a command line or in a file.`,
    );
  const client = await openDirect({ url, applicationName: 'sqltrail-init', what: '--create-role' });
  try {
    const made = await createRole(client, role, password);
    say(
      made
        ? `The role ${role.name} was made.`
        : `The role ${role.name} was there; it has its grants now, and the password that it had.`,
    );
  } catch (error) {
    throw new ConfigurationError(
      `The role could not be created (${(error as Error).message}). Nothing was changed in the database. This needs CREATEROLE and the right to grant pg_monitor, as a superuser or the provider's administrator has.`,
      { cause: error },
    );
  } finally {
    await client.end();
  }
}

function sayRole({ roles }: DatabaseFacts, role: MonitorRole, asked: boolean): void {
  const there = roles.find(({ name }) => name === role.name);
  say(
    there?.monitors
      ? `The role ${role.name} is there. What it needs:`
      : `A role that may see statistics and ${role.plans ? 'read all tables' : 'no rows'}${asked ? ' (--yes makes it)' : ''}:`,
  );
  for (const statement of roleSql(role, there ? undefined : '…')) say(`  ${statement};`);
}

/** `sqltrail init`. */
export function initCommand(signal: AbortSignal): Command {
  return new Command('init')
    .description(
      `read a database, and write a first ${CONFIG_FILE} for it; changes nothing in it unless asked`,
    )
    .argument('[url]', 'postgres://user@host:port/database; or set DATABASE_URL')
    .option(
      '--service <name>',
      'service.name of a service that uses the database; may be repeated',
      collected,
      [],
    )
    .option('--metrics <host:port>', 'where Prometheus scrapes that service; may be repeated', collected, [])
    .option(
      '--collector <url>',
      'URL of a collector that accepts OTLP over HTTP, such as http://127.0.0.1:4318',
    )
    .option('--out <file>', 'the file to write', CONFIG_FILE)
    .option('--force', 'overwrite the file', false)
    .option('--role <name>', 'name of the monitoring role', 'sqltrail_monitor')
    .option('--create-role', `create that role with the password in ${PASSWORD}`, false)
    .option(
      '--plans',
      'let that role read all tables, which EXPLAIN asks for: without plans no missing index is found',
      false,
    )
    .option('--yes', 'with --create-role: do it, instead of only showing the statements', false)
    .action(async (given: string | undefined, options: Options) => {
      const url = databaseUrl(given, 'init postgres://owner');
      if (existsSync(options.out) && !options.force)
        throw new ConfigurationError(
          `${options.out} exists already and was not changed. Name another file with --out, or overwrite it with --force.`,
        );
      const facts = await readFacts(url, signal);
      const services = await servicesOf(options);
      const text = initialFile(facts, services);
      // What cannot be read again is not written.
      parseConfig(text, options.out);
      await writeFile(options.out, text).catch((error: Error) => {
        throw new ConfigurationError(`${options.out} cannot be written (${error.message}).`, {
          cause: error,
        });
      });
      say(
        `${options.out}: database ${facts.name} (schemas ${facts.schemas.join(', ') || 'none'}), ${facts.tables.length} tables with an age.`,
      );
      for (const skipped of facts.skipped) say(`Left out: ${skipped}`);
      sayStatements(facts);
      say();
      const role: MonitorRole = {
        name: options.role,
        database: facts.name,
        columns: facts.columns,
        statementsSchema: facts.statementsSchema,
        plans: options.plans,
      };
      if (options.createRole && options.yes) await makeRole(url, role);
      else sayRole(facts, role, options.createRole);
      if (!role.plans) say(WITHOUT_PLANS);
      say();
      if (options.collector !== undefined && !(await collectorAnswers(options.collector)))
        say(`${options.collector}: nothing there takes OTLP over HTTP (yet).`);
      for (const line of startLines(services, options.collector ?? 'http://127.0.0.1:4318')) say(line);
      say(`Then: sqltrail up --config ${options.out}, or sqltrail export for what you run already.`);
    });
}
