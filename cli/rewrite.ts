import { Command } from 'commander';
import { findRewrites, isRewrite } from '../fix/rewrite/rewrite.ts';
import { databaseUrl, reported } from './database.ts';
import { describeRewrite } from './rewriteText.ts';

/** `sqltrail rewrite`. */
export function rewriteCommand(signal: AbortSignal): Command {
  return new Command('rewrite')
    .description(
      'show statements that can be replaced by faster ones, with the conditions for their equivalence; changes nothing',
    )
    .argument('[url]', 'URL with a role that may read the tables and pg_stat_statements; or set DATABASE_URL')
    .option(
      '--search-path <schema...>',
      'schemas in which the application looks for its tables; needed if two schemas have a table of the same name',
    )
    .action((given: string | undefined, { searchPath = [] }: { searchPath?: string[] }) =>
      reported(async () => {
        const answers = await findRewrites({
          url: databaseUrl(given, 'rewrite postgres://reader'),
          searchPath,
          signal,
        });
        for (const answer of answers) process.stdout.write(`${describeRewrite(answer)}\n`);
        process.stdout.write(
          `${answers.filter(isRewrite).length} of ${answers.length} rewritten. Not looked for, because SQL alone does not tell: which columns of SELECT * are needed, statements run in a loop, whether a count has to be exact.\n`,
        );
      }),
    );
}
