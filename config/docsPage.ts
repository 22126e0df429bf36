import { jsonSchema } from './load.ts';

interface Described {
  type?: string;
  const?: unknown;
  enum?: unknown[];
  description?: string;
  default?: unknown;
  examples?: unknown[];
  required?: string[];
  properties?: Record<string, Described>;
  items?: Described;
  anyOf?: Described[];
}

const kindOf = ({ type, const: only, enum: choices, anyOf, items }: Described): string => {
  if (only !== undefined) return JSON.stringify(only);
  if (choices) return choices.join(', ');
  if (anyOf) return 'one of';
  if (type === 'array') return items?.type === 'object' ? 'list' : `list of ${items?.type}`;
  return type === 'object' ? 'mapping' : (type ?? '');
};

const cell = (text: string) => text.replaceAll('|', '\\|');

/** A line for each key below the schema, depth first. */
function lines(schema: Described, prefix = ''): string[] {
  const inner = schema.items ?? schema;
  const required = new Set(inner.required ?? []);
  const own = Object.entries(inner.properties ?? {}).flatMap(([key, value]) => {
    const name = `${prefix}${key}`;
    const standard =
      value.default === undefined
        ? required.has(key)
          ? 'required'
          : ''
        : `\`${JSON.stringify(value.default)}\``;
    const example = value.examples?.[0] === undefined ? '' : `\`${JSON.stringify(value.examples[0])}\``;
    const line = `| \`${name}\` | ${kindOf(value)} | ${cell(value.description ?? '')} | ${standard} | ${cell(example)} |`;
    return [line, ...lines(value, `${name}${value.type === 'array' ? '[]' : ''}.`)];
  });
  return [...own, ...(schema.anyOf ?? []).flatMap((choice) => lines(choice, prefix))];
}

/** docs/configuration.md, made from the schema. */
export const configurationPage = (): string => `# Configuration

\`sqltrail.yaml\` names what is observed. \`sqltrail init\` writes one from your database; the demo has [its own](../sample-shop/sqltrail.yaml). Rules, promtool tests, dashboards, exporter queries and scrape jobs are made from it: \`sqltrail export rules|tests|alertmanager|dashboards|collector|queries|scrape|compose|kubernetes --out dir\`. What a configuration does not have (a business transaction, something that measures customers, dated tables) is left out of them, and \`sqltrail export\` names it.

A command takes the file that \`--config\` or \`SQLTRAIL_CONFIG\` names, or \`sqltrail.yaml\` where it is started. An error names the line and gives an example. Editors check the file by its [JSON schema](../config/sqltrail.schema.json): \`# yaml-language-server: $schema=…\` in the first line.

Made from \`config/schema.ts\` by \`npm run docs\`; change that, not this page.

| key | what | meaning | default | example |
| --- | --- | --- | --- | --- |
${lines(jsonSchema() as Described).join('\n')}
`;
