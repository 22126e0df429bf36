import { Command, Option } from 'commander';
import { readModel, toMermaid, toSvg } from '../diagnosis/format/diagram.ts';
import { defaultDiagnosis } from '../diagnosis/run.ts';
import { openSession } from '../diagnosis/session.ts';
import { ConfigurationError } from '../lib/errors.ts';
import { databaseUrl, reported } from './database.ts';
import { writeOutput } from './output.ts';

/** `sqltrail schema`. */
export function schemaCommand(signal: AbortSignal): Command {
  return new Command('schema')
    .description(
      'draw the tables of a schema, their keys, references and partitions, from the catalogue; read-only',
    )
    .argument('[url]', 'postgres://user@host:port/database; or set DATABASE_URL')
    .option('--schema <name>', 'which schema', 'public')
    .addOption(
      new Option('--format <format>', 'output format').choices(['mermaid', 'svg']).default('mermaid'),
    )
    .option('--output <file>', 'write to this file instead of the terminal')
    .action(
      async (
        given: string | undefined,
        { schema, format, output }: { schema: string; format: string; output?: string },
      ) => {
        const url = databaseUrl(given, 'schema postgres://reader');
        const session = await reported(() => openSession({ ...defaultDiagnosis, url, dutyCycle: 1, signal }));
        try {
          const model = await readModel(session, schema);
          if (model.boxes.length === 0)
            throw new ConfigurationError(
              `The schema ${schema} has no tables, or does not exist; name another with --schema.`,
            );
          const text = format === 'svg' ? await toSvg(model) : toMermaid(model);
          if (!output) {
            process.stdout.write(text);
            return;
          }
          await writeOutput(output, text);
        } finally {
          await session.close();
        }
      },
    );
}
