import { readFileSync } from 'node:fs';
import path from 'node:path';
import { isMap } from 'yaml';
import { z } from 'zod';
import { ConfigurationError, errorCode } from '../lib/errors.ts';
import { readYaml, type YamlText } from '../lib/yaml.ts';
import { answersRequests, type Config, configSchema, secondsOf } from './schema.ts';

type Path = readonly (string | number)[];

interface JsonSchema {
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  additionalProperties?: JsonSchema | boolean;
  anyOf?: JsonSchema[];
  examples?: unknown[];
}

/** The schema as editors and the documentation take it (JSON schema, draft 2020-12). */
export const jsonSchema = () => z.toJSONSchema(configSchema, { io: 'input' });

/** An example of what belongs at the path, or of the nearest thing around it. */
function exampleAt(path: Path): string {
  let schema = jsonSchema() as JsonSchema;
  let example = '';
  for (const [index, step] of path.entries()) {
    const inner =
      typeof step === 'number'
        ? schema.items
        : ([schema, ...(schema.anyOf ?? [])].map(({ properties }) => properties?.[step]).find(Boolean) ??
          (typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined));
    if (!inner) break;
    schema = inner;
    if (inner.examples?.[0] === undefined) continue;
    const key = path.slice(0, index + 1).findLast((part) => typeof part === 'string');
    example = `${key}: ${JSON.stringify(inner.examples[0])}`;
  }
  return example;
}

/** Finds where in the text something stands; the nearest thing around it where it is missing. */
function lineFinder({ document, lineAt }: YamlText) {
  return (at: Path, key?: string): number => {
    for (let length = at.length; length >= 0; length--) {
      const node: unknown = length === 0 ? document.contents : document.getIn(at.slice(0, length), true);
      if (isMap(node) && key !== undefined && length === at.length) {
        const pair = node.items.find(({ key: given }) => String(given) === key);
        const range = (pair?.key as { range?: [number] } | undefined)?.range;
        if (range) return lineAt(range[0]);
      }
      const range = (node as { range?: [number] } | null | undefined)?.range;
      if (range) return lineAt(range[0]);
    }
    return 1;
  };
}

interface Fault {
  path: Path;
  key?: string;
  text: string;
}

const inWords = (at: Path) =>
  at.reduce<string>(
    (words, step) => (typeof step === 'number' ? `${words}[${step}]` : words ? `${words}.${step}` : step),
    '',
  );

function faultsOfShape(error: z.ZodError): Fault[] {
  return error.issues.flatMap((issue): Fault[] => {
    const at = issue.path as Path;
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => ({ path: at, key, text: `${inWords([...at, key])} is not known` }));
    if (issue.code === 'invalid_type' && /undefined/.test(issue.message))
      return [{ path: at, text: `${inWords(at)} is missing` }];
    // What a pattern or a check says continues a sentence about the value.
    const own =
      ['invalid_format', 'custom', 'too_small'].includes(issue.code) && /^[a-z]/.test(issue.message);
    return [{ path: at, text: `${inWords(at)} ${own ? issue.message : `is invalid: ${issue.message}`}` }];
  });
}

const twice = (names: readonly string[], at: (index: number) => Path): Fault[] =>
  names.flatMap((name, index) =>
    names.indexOf(name) < index
      ? [{ path: at(index), text: `${inWords(at(index))}: ${name} is listed twice` }]
      : [],
  );

/** What one part of the file asks of another. */
function faultsOfReference(config: Config): Fault[] {
  const { services, databases, retention, receivers, routes, customers, business } = config;
  const faults = [
    ...twice(
      services.map(({ name }) => name),
      (index) => ['services', index, 'name'],
    ),
    ...twice(
      databases.map(({ name }) => name),
      (index) => ['databases', index, 'name'],
    ),
    ...twice(
      receivers.map(({ name }) => name),
      (index) => ['receivers', index, 'name'],
    ),
  ];
  for (const [index, { name, url_env }] of databases.entries()) {
    const other = databases.slice(0, index).find((earlier) => earlier.url_env === url_env);
    if (other && other.name !== name)
      faults.push({
        path: ['databases', index],
        text: `databases[${index}].url_env: ${url_env} holds the address of ${other.name} already; give ${name} a variable of its own`,
      });
  }
  if (secondsOf(config.interval) * 4 > secondsOf(config.window))
    faults.push({
      path: ['interval'],
      text: `interval ${config.interval} is more than a quarter of window ${config.window}`,
    });
  for (const [index, { name }] of services.entries())
    if (['postgres', 'collector', 'console', 'prometheus', customers?.job].includes(name))
      faults.push({
        path: ['services', index, 'name'],
        text: `services[${index}].name: ${name} is the job of another part`,
      });
  for (const [database, { tables }] of databases.entries())
    for (const [index, { table, date, dated_by, retention: given }] of tables.entries()) {
      const at = ['databases', database, 'tables', index];
      if (given !== undefined && !Object.hasOwn(retention, given))
        faults.push({
          path: [...at, 'retention'],
          text: `retention class ${given} does not exist; classes: ${Object.keys(retention).join(', ') || 'none'}`,
        });
      if (dated_by !== undefined && date === undefined)
        faults.push({
          path: [...at, 'dated_by'],
          text: `${table} has no date: name the column of ${dated_by}`,
        });
    }
  if (business && !business.attempts && !answersRequests(config))
    faults.push({
      path: ['business'],
      text: 'business: its requests are counted from spans, and no service answers requests (services[].requests); name a counter in business.attempts',
    });
  for (const severity of ['page', 'ticket'] as const) {
    const given = routes[severity];
    if (given !== undefined && !receivers.some(({ name }) => name === given))
      faults.push({ path: ['routes', severity], text: `routes.${severity}: no receiver is called ${given}` });
  }
  return faults;
}

const finders = new WeakMap<Config, (at: Path) => string>();

/** Where a part of a configuration stands, as `file:line`. */
export const whereIs = (config: Config, at: Path): string => finders.get(config)?.(at) ?? inWords(at);

/** @throws ConfigurationError that names the line of each fault and gives an example */
export function parseConfig(text: string, file: string): Config {
  const written = readYaml(text, file);
  const lineOf = lineFinder(written);
  const refuse = (faults: Fault[]) =>
    new ConfigurationError(
      faults
        .map(({ path: at, key, text }) => {
          const example = exampleAt(at);
          return `${file}:${lineOf(at, key)}: ${text}.${example ? ` Example: ${example}` : ''}`;
        })
        .join('\n'),
    );
  const parsed = configSchema.safeParse(written.values ?? {});
  if (!parsed.success) throw refuse(faultsOfShape(parsed.error));
  const faults = faultsOfReference(parsed.data);
  if (faults.length > 0) throw refuse(faults);
  finders.set(parsed.data, (at) => `${file}:${lineOf(at)}`);
  return parsed.data;
}

/** @throws ConfigurationError when it cannot be read, or is not valid */
export function readConfig(file: string): Config {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ConfigurationError(
      errorCode(error) === 'ENOENT'
        ? `There is no ${file}. \`sqltrail init\` writes one; --config names another.`
        : `${file} cannot be read (${(error as Error).message}).`,
      { cause: error },
    );
  }
  return parseConfig(text, path.relative('', file) || file);
}
