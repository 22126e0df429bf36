import { createRequire } from 'node:module';

// The package's ESM build imports without file endings, which Node does not resolve; CodeMirror's state carries the parser.
const require = createRequire(import.meta.url);
interface Node {
  type: { name: string; isError: boolean };
  from: number;
  to: number;
  node: { parent: { type: { name: string } } | null };
}
const { parser } = require('@prometheus-io/lezer-promql') as {
  parser: { parse(text: string): { iterate(visitor: { enter(node: Node): void }): void } };
};

/** Whether Prometheus's grammar takes the expression, and the metrics that it selects. */
export function parsePromql(text: string): { sound: boolean; metrics: string[] } {
  let sound = true;
  const metrics = new Set<string>();
  parser.parse(text).iterate({
    enter: ({ type, from, to, node }) => {
      if (type.isError) sound = false;
      if (type.name === 'Identifier' && node.parent?.type.name === 'VectorSelector')
        metrics.add(text.slice(from, to));
    },
  });
  return { sound, metrics: [...metrics] };
}

export const isPromql = (text: string) => parsePromql(text).sound;
