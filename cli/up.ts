import path from 'node:path';
import { Command } from 'commander';
import { queriesFile } from '../collector/build.ts';
import { pipelines } from '../collector/fragment.ts';
import { CONFIG_FILE } from '../config/inForce.ts';
import { readConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { ConfigurationError } from '../lib/errors.ts';
import { type Addresses, type ObservedDatabase, startUp } from '../stack/up.ts';
import { configFile } from './configFile.ts';
import { prometheusLacks } from './existingPrometheus.ts';
import { type ConfiguredDatabase, configuredDatabases } from './observedDatabases.ts';
import { leftOutLines, startLines } from './observedText.ts';
import { partFiles } from './partFiles.ts';

interface Options {
  config?: string;
  dir: string;
  prometheus?: string;
  alertmanager?: string;
  tempo?: string;
}

const say = (text: string): void => {
  process.stdout.write(`${text}\n`);
};

/** Between two lines of a build, which has one for each package of a thousand. */
const PROGRESS_MS = 5_000;

function sayNowAndThen(): (text: string) => void {
  let at = Number.NEGATIVE_INFINITY;
  return (text) => {
    if (performance.now() - at < PROGRESS_MS) return;
    at = performance.now();
    say(text);
  };
}

/** The same configuration, with our own parts where they are. */
const placed = (config: Config, { prometheus, console, scraped, exporters }: Addresses): Config => ({
  ...config,
  databases: config.databases.map((database) => ({ ...database, exporter: exporters[database.name] })),
  parts: scraped,
  urls: { ...config.urls, prometheus, console },
});

/** `sqltrail up`. */
export function upCommand(signal: AbortSignal): Command {
  return new Command('up')
    .description(
      'observe your services: collector, Prometheus, Alertmanager, an exporter for each database, and the console, until Ctrl-C',
    )
    .option('--config <file>', `configuration file (default: ${CONFIG_FILE})`)
    .option('--dir <directory>', 'where data, logs and configuration are kept', '.sqltrail-up')
    .option('--prometheus <url>', 'URL of a Prometheus that you already run; it has to accept remote writes')
    .option('--alertmanager <url>', 'URL of an Alertmanager that you already run')
    .option('--tempo <url>', 'URL of a Tempo that you already run, to look up older traces')
    .addHelpText(
      'after',
      `
prometheus, alertmanager, postgres_exporter and otelcol-contrib are taken from SQLTRAIL_BIN_DIR or PATH, or else built
once with Go into ~/.cache/sqltrail, which takes about four minutes. SQLTRAIL_PORT_<PART> changes the port of a part.`,
    )
    .action(async (options: Options) => {
      const file = configFile(options.config);
      const config = readConfig(file);
      for (const name of ['prometheus', 'alertmanager', 'tempo'] as const) {
        const given = options[name];
        if (given !== undefined && !/^https?:\/\/[^/]+\/?$/.test(given))
          throw new ConfigurationError(`--${name}: give an address such as http://127.0.0.1:9090.`);
      }
      const withQueries = (database: ConfiguredDatabase) => ({
        ...database,
        queries: queriesFile(config, database.name),
      });
      const [first, ...others] = configuredDatabases(config);
      const databases: [ObservedDatabase, ...ObservedDatabase[]] = [
        withQueries(first),
        ...others.map(withQueries),
      ];
      const use = Object.fromEntries(
        (['prometheus', 'alertmanager', 'tempo'] as const).map((name) => [
          name,
          options[name]?.replace(/\/$/, ''),
        ]),
      );
      const collector = await pipelines();
      const stack = await startUp({
        dir: path.resolve(options.dir),
        configFile: file,
        databases,
        use,
        signal,
        files: (addresses) => ({
          ...partFiles(placed(config, addresses), new URL(addresses.alertmanager).host),
          'collector/collector.yaml': collector,
        }),
        onProgress: sayNowAndThen(),
        onReady: (name) => say(`${name} is ready`),
        onEvent: ({ part, kind, message }) => {
          if (kind !== 'started' && kind !== 'stopped') say(`${part}: ${message}`);
        },
      });
      try {
        say(`\nConsole: ${stack.addresses.console} (token: ${path.join(stack.directory, 'secrets')})`);
        if (use['prometheus']) for (const lack of await prometheusLacks(use['prometheus'])) say(lack);
        if (options.prometheus)
          say(
            `Give your Prometheus the rules and scrape jobs: sqltrail export rules scrape --config ${file}`,
          );
        else say(`Prometheus: ${stack.addresses.prometheus}`);
        for (const line of [...startLines(config.services, stack.collector), ...leftOutLines(config)])
          say(line);
        say('Everything is up; Ctrl-C stops it, and what was measured stays.');
        if (!signal.aborted)
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      } finally {
        await stack.stop();
      }
    });
}
