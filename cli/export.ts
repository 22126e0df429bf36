import path from 'node:path';
import { Argument, Command } from 'commander';
import { CONFIG_FILE } from '../config/inForce.ts';
import { readConfig } from '../config/load.ts';
import { configFile } from './configFile.ts';
import { kinds } from './exportFiles.ts';
import { whyNotHere } from './notHere.ts';
import { leftOutLines } from './observedText.ts';
import { writeOwned } from './ownedFiles.ts';

/** `sqltrail export`. */
export function exportCommand(): Command {
  return new Command('export')
    .description('write configuration files for the Prometheus, Grafana and collector that you already run')
    .addArgument(new Argument('[what...]', 'which files; all without it').choices(Object.keys(kinds)))
    .option('--config <file>', `configuration file (default: ${CONFIG_FILE})`)
    .option('--out <directory>', 'where to write', 'sqltrail-export')
    .option('--force', 'overwrite files that were changed, or that sqltrail did not create', false)
    .addHelpText(
      'after',
      `\n${Object.entries(kinds)
        .map(([name, { what }]) => `  ${name.padEnd(14)}${what}`)
        .join('\n')}`,
    )
    .action(async (what: string[], options: { config?: string; out: string; force: boolean }) => {
      const config = readConfig(configFile(options.config));
      const chosen = Object.entries(kinds).filter(([name]) => what.length === 0 || what.includes(name));
      const directory = path.normalize(options.out);
      const files: Record<string, string> = {};
      const next: string[] = [];
      for (const [name, kind] of chosen)
        try {
          Object.assign(files, await kind.files(config));
          next.push(`${name}: ${kind.next(directory, config)}`);
        } catch (error) {
          const why = await whyNotHere(error);
          // Who asks for all takes what can be had here.
          if (why === undefined || what.length > 0) throw error;
          next.push(`${name}: ${why}`);
        }
      await writeOwned(options.out, files, options);
      const say = (text: string) => process.stdout.write(`${text}\n`);
      for (const file of Object.keys(files)) say(path.join(directory, file));
      say('');
      for (const line of next) say(line);
      const lacking = leftOutLines(config);
      if (lacking.length > 0) say('');
      for (const line of lacking) say(line);
    });
}
