import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { expect, it } from 'vitest';
import { type MediumTerm, mediumTermSchema } from '../fix/mediumTerm.ts';
import { createTestDatabase } from '../test/support/database.ts';
import { startNode } from '../test/support/process.ts';

/** What is not looked at in time would be missing. */
const PATIENT = ['--deadline', '400', '--budget', '400'];

it('fix plan names online migrations with size and time, in words and as JSON, and each of its commands makes a plan', async () => {
  const database = await createTestDatabase();
  const dir = await mkdtemp(path.join(tmpdir(), 'sqltrail-medium-term-'));
  const client = new pg.Client(database.url);
  await client.connect();
  try {
    await client.query(`
      CREATE TABLE "My stays" (id int PRIMARY KEY, day text NOT NULL, "left" text, price text, code char(3), paid money);
      INSERT INTO "My stays" SELECT i, to_char(date '2024-01-01' + i % 500, 'DD.MM.YYYY'), to_char(date '2024-01-01' + i % 499, 'YYYY-MM-DD'), (i % 90) + 10 || ',' || i % 90 + 10, 'a', i
        FROM generate_series(1, 2000) AS i;
      CREATE TABLE people (id serial PRIMARY KEY, boss int REFERENCES people);
      CREATE TABLE pets (id bigint PRIMARY KEY, owner int REFERENCES people);
      SELECT setval('people_id_seq', 2000000000);
      CREATE TABLE events (id bigint, at timestamptz NOT NULL, PRIMARY KEY (id, at));
      INSERT INTO events SELECT i, now() - i * interval '1 hour' FROM generate_series(1, 20000) AS i;
      CREATE TABLE notes (id bigint PRIMARY KEY, labels text NOT NULL, author_id int NOT NULL, "author, or who" text, author_name text, author_town text);
      INSERT INTO notes SELECT i, concat_ws(';', (ARRAY['red', 'green', 'blue', 'black'])[1 + i % 4], (ARRAY['old', 'new', 'lent'])[1 + i % 3], (ARRAY['hot', 'cold'])[1 + i % 2]), i % 40, NULL, 'name of author ' || i % 40, CASE WHEN i = 81 THEN 'elsewhere' ELSE 'town of author ' || i % 40 END FROM generate_series(1, 4000) AS i;
      CREATE TABLE traits (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, thing int NOT NULL, trait text NOT NULL, "says" text, UNIQUE (thing, trait));
      INSERT INTO traits (thing, trait, says) SELECT i, trait, CASE trait WHEN 'weight' THEN (i % 97)::text WHEN 'price' THEN (i * 7 % 89)::text WHEN 'color' THEN (ARRAY['red', 'green', 'blue'])[1 + i % 3] ELSE 'word' || i % 50 END
        FROM generate_series(1, 600) AS i, unnest(ARRAY['weight', 'price', 'color', 'label']) AS trait;
      ANALYZE;
      -- As large as it would have to be for partitions to pay.
      UPDATE pg_class SET reltuples = 40000000 WHERE relname = 'events'`);
    const { exited, output } = startNode(['cli/main.ts', 'fix', 'plan', ...PATIENT, '--windows', '0'], {
      DATABASE_URL: database.url,
    });
    expect(await exited, output()).toBe(0);
    const text = output();
    expect(text).toContain('Medium-term');
    expect(text).toMatch(
      /40,000,000 rows, .* with indexes\n {5}Time: of the order of 2\.22 h \(5,000 rows a second/,
    );
    const commands = [...text.matchAll(/^ {5}Plan: sqltrail (.*)$/gm)].map(([, command]) => command ?? '');
    expect(commands.toSorted()).toEqual(
      [
        'migrate plan partition public.events --by at --interval month',
        'migrate plan retype public.people.id bigint --also boss=bigint',
        'migrate plan retype public.pets.owner bigint',
        "migrate plan split-list public.notes.labels --separator ';' --into notes_labels",
        'migrate plan extract public.notes --columns author_name,author_town --key author_id --into authors --resolve most-frequent',
        'migrate plan eav-to-jsonb public.traits --entity thing --attribute trait --values says --leave-out id --into traits_documents',
        `migrate plan retype 'public."My stays".code' text`,
        `migrate plan retype 'public."My stays".day' date --format DD.MM.YYYY`,
        `migrate plan retype 'public."My stays".left' date`,
        `migrate plan retype 'public."My stays".paid' 'numeric(19,2)'`,
        `migrate plan retype 'public."My stays".price' 'numeric(12,2)'`,
      ].toSorted(),
    );
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['cli/main.ts', 'fix', 'plan', ...PATIENT, '--windows', '0', '--json'],
      { env: { ...process.env, DATABASE_URL: database.url }, maxBuffer: 2 ** 26 },
    );
    const plan = JSON.parse(stdout);
    expect(mediumTermSchema.array().parse(plan.mediumTerm)).toEqual(plan.mediumTerm);
    expect(plan.mediumTerm.map(({ command }: MediumTerm) => command)).toEqual(
      commands.map((command) => `sqltrail ${command}`),
    );
    // What refers to a key comes before it, so that the plan of the key is refused until then.
    expect(commands.indexOf('migrate plan retype public.pets.owner bigint')).toBeLessThan(
      commands.findIndex((command) => command.includes('people.id')),
    );
    for (const [at, command] of commands.entries()) {
      const file = path.join(dir, `plan-${at}.yaml`);
      const ran = promisify(execFile)(
        'sh',
        ['-c', `"${process.execPath}" cli/main.ts ${command} --out ${file}`],
        { env: { ...process.env, DATABASE_URL: database.url } },
      );
      if (command.includes('people.id')) await expect(ran).rejects.toThrow(/Retype it first/);
      else {
        await ran;
        expect(await readFile(file, 'utf8'), command).toContain('sqltrail: migration');
      }
    }
    expect(await readdir(dir)).toHaveLength(commands.length - 1);
  } finally {
    await client.end();
    await database.drop();
    await rm(dir, { recursive: true, force: true });
  }
});
