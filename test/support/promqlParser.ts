import { createRequire } from 'node:module';

// The package's ESM build imports without file endings, which Node does not resolve; CodeMirror's state carries the parser.
const require = createRequire(import.meta.url);
const { parser } = require('@prometheus-io/lezer-promql') as {
  parser: {
    parse(text: string): { iterate(visitor: { enter(node: { type: { isError: boolean } }): void }): void };
  };
};

export function isPromql(text: string): boolean {
  let sound = true;
  parser.parse(text).iterate({
    enter: ({ type }) => {
      if (type.isError) sound = false;
    },
  });
  return sound;
}
