import { Command, InvalidArgumentError, Option } from 'commander';
import { rolePasswords } from '../schema/roles.ts';
import { createShopDatabase, holdsShop, resetShopDatabase } from './database.ts';
import { type ScaleName, scales } from './scales.ts';

const whole = (text: string) => {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Give a whole number, for example 1.');
  return Number(text);
};

interface Options {
  scale: ScaleName;
  seed: number;
  database: string;
  yes?: true;
  keep?: true;
}

const program = new Command('data')
  .description(
    'Makes the shop database with its legacy data. DATABASE_URL is a superuser URL of the server; the passwords of the roles come from SHOP_OWNER_PASSWORD, SHOP_APP_PASSWORD and SQLTRAIL_MONITOR_PASSWORD.',
  )
  .addOption(
    new Option('--scale <name>', 'how much data; default is about 1 GB')
      .choices(Object.keys(scales))
      .default('default'),
  )
  .option('--seed <n>', 'same seed, same data', whole, 1)
  .option('--database <name>', 'name of the database', 'shop')
  .option('--keep', 'end at once when the database holds the shop already')
  .option('--yes', 'replace the database when it is there')
  .action(async ({ scale, seed, database, yes, keep }: Options) => {
    const adminUrl = process.env['DATABASE_URL'];
    if (!adminUrl)
      throw new Error('set DATABASE_URL, for example postgres://postgres:…@127.0.0.1:55432/postgres');
    const passwords = rolePasswords(process.env);
    const filled = await holdsShop(adminUrl, database);
    if (filled && keep) {
      process.stderr.write(`database ${database} holds the shop already\n`);
      return;
    }
    if (filled && !yes)
      throw new Error(
        `the database ${database} is there already: --yes replaces it by fresh data, and what is in it is lost`,
      );
    const template = await createShopDatabase({
      adminUrl,
      passwords,
      scale,
      seed,
      onProgress: ({ done, total, title }) => process.stderr.write(`[${done + 1}/${total}] ${title}\n`),
    });
    await resetShopDatabase({ adminUrl, template, name: database });
    process.stderr.write(`database ${database} is ready (${scale}, seed ${seed})\n`);
  });

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`data: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
