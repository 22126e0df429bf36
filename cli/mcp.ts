import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js';
import { Command } from 'commander';
import { CONFIG_FILE, WITHOUT_FILE } from '../config/inForce.ts';
import { readConfig } from '../config/load.ts';
import { catalogueFor } from '../kpis/catalogue.ts';
import { observedAnyway, observedBy } from '../kpis/observed.ts';
import { configFile } from './configFile.ts';
import { databaseUrl } from './database.ts';
import { budgetOption, deadlineOption, type LimitFlags, limitsOf } from './diagnosisLimits.ts';
import { historyDirectoryOf, mcpServer } from './mcpTools.ts';
import { configuredDatabases } from './observedDatabases.ts';

/** Of the protocol's handshake only; the SDK demands one. */
const VERSION = '0.2.0';

/** `sqltrail mcp`. */
export function mcpCommand(signal: AbortSignal): Command {
  return new Command('mcp')
    .description(
      'an MCP server on stdin and stdout for an assistant: findings, statements, traces, KPIs and a plan of fixes, read-only',
    )
    .argument('[url]', 'URL of one database (default: those of the configuration)')
    .option('--config <file>', `configuration file (default: ${CONFIG_FILE})`)
    .option('--console <url>', 'URL of the console, for traces (default: from the configuration)')
    .option('--prometheus <url>', 'URL of Prometheus, for KPIs (default: from the configuration)')
    .option('--dir <directory>', 'directory of sqltrail up, with the history of findings', '.sqltrail-up')
    .addOption(deadlineOption())
    .addOption(budgetOption())
    .action(
      async (
        url: string | undefined,
        options: { config?: string; console?: string; prometheus?: string; dir: string } & LimitFlags,
      ) => {
        const config = url === undefined ? readConfig(configFile(options.config)) : WITHOUT_FILE;
        const server = mcpServer({
          databases:
            url === undefined
              ? configuredDatabases(config)
              : [{ name: 'database', url: databaseUrl(url, 'mcp postgres://reader') }],
          kpis: catalogueFor(config, url === undefined ? observedBy(config) : observedAnyway(config)),
          prometheusUrl: options.prometheus ?? config.urls.prometheus,
          consoleUrl: options.console ?? config.urls.console,
          historyDirectory: historyDirectoryOf(options.dir),
          version: VERSION,
          signal,
          diagnosis: limitsOf(options),
        });
        const closed = new Promise<void>((resolve) => {
          server.server.onclose = resolve;
          // The client is gone: so is what it asked for.
          process.stdin.once('end', () => void server.close());
          signal.addEventListener('abort', () => void server.close(), { once: true });
        });
        await server.connect(new StdioServerTransport());
        await closed;
      },
    );
}
