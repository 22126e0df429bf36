import { createRequire } from 'node:module';

interface Node {
  name: string;
  from: number;
  to: number;
  type: { isError: boolean };
}

// The package's ESM build imports without file endings, which Node does not resolve; CodeMirror's state carries the parser.
const require = createRequire(import.meta.url);
const { parser } = require('@prometheus-io/lezer-promql') as {
  parser: {
    parse(text: string): { iterate(visitor: { enter(node: Node): void; leave(node: Node): void }): void };
  };
};

export interface ParsedPromql {
  /** Whether Prometheus's grammar takes the expression. */
  sound: boolean;
  /** The metrics that it selects. */
  metrics: string[];
  /** Each selector's metric and the labels that it matches on. */
  selectors: { metric: string; labels: string[] }[];
  /** Labels of `by`, `on` and `group_left`; of some metric of the expression. */
  groupings: string[];
}

export function parsePromql(text: string): ParsedPromql {
  let sound = true;
  const selectors: ParsedPromql['selectors'] = [];
  const groupings: string[] = [];
  let grouping = false;
  parser.parse(text).iterate({
    enter: ({ name, from, to, type }) => {
      if (type.isError) sound = false;
      const word = text.slice(from, to);
      if (name === 'Identifier') selectors.push({ metric: word, labels: [] });
      if (name === 'GroupingLabels') grouping = true;
      if (name === 'LabelName') (grouping ? groupings : selectors.at(-1)?.labels)?.push(word);
    },
    leave: ({ name }) => {
      if (name === 'GroupingLabels') grouping = false;
    },
  });
  return { sound, metrics: [...new Set(selectors.map(({ metric }) => metric))], selectors, groupings };
}

export const isPromql = (text: string) => parsePromql(text).sound;
