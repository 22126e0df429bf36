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

/** A list entry for each key below the schema, depth first. */
function lines(schema: Described, prefix = ''): string[] {
  const inner = schema.items ?? schema;
  const required = new Set(inner.required ?? []);
  const own = Object.entries(inner.properties ?? {}).flatMap(([key, value]) => {
    const name = `${prefix}${key}`;
    const standard =
      value.default === undefined
        ? required.has(key)
          ? 'required'
          : 'optional'
        : `default \`${JSON.stringify(value.default)}\``;
    const example =
      value.examples?.[0] === undefined ? '' : ` Example: \`${JSON.stringify(value.examples[0])}\``;
    const line = `- \`${name}\` (${kindOf(value)}, ${standard}): ${value.description ?? ''}${example}`;
    return [line, ...lines(value, `${name}${value.type === 'array' ? '[]' : ''}.`)];
  });
  return [...own, ...(schema.anyOf ?? []).flatMap((choice) => lines(choice, prefix))];
}

/** docs/configuration.md. */
export const configurationPage = (): string => `# Configuration

\`sqltrail.yaml\` says what is observed. \`sqltrail init\` writes a first one from your database; the demo has [its own](../sample-shop/sqltrail.yaml).

Rules, promtool tests, dashboards, exporter queries and scrape jobs are generated from it: \`sqltrail export rules|tests|alertmanager|dashboards|collector|queries|scrape|compose|kubernetes --out dir\`. Parts that need something the configuration lacks (a business transaction, customer measurements, dated tables) are left out, and \`sqltrail export\` lists them.

A command reads the file given by \`--config\` or \`SQLTRAIL_CONFIG\`, or else \`sqltrail.yaml\` in the current directory. An error message names the line and gives an example. To let your editor check the file with its [JSON schema](../config/sqltrail.schema.json), put \`# yaml-language-server: $schema=…\` in the first line.

This page is generated from \`config/schema.ts\` by \`npm run docs\`; change that file, not this page.

${lines(jsonSchema() as Described).join('\n')}
`;
