import { type Document, LineCounter, parseDocument, stringify, visit } from 'yaml';
import { ConfigurationError } from './errors.ts';

/**
 * YAML for programs and people to read: no line is folded, and what is there twice is written twice.
 *
 * @param version of the reader; in 1.1, which kubectl and Docker read, a plain no or 0:0 is something else
 */
export const yaml = (value: unknown, version: '1.1' | '1.2' = '1.2'): string =>
  stringify(value, { lineWidth: 0, aliasDuplicateObjects: false, version });

export interface YamlText {
  document: Document;
  /** What it holds, as plain values; null for an empty text. */
  values: unknown;
  /** The line, from 1, of a place in the text. */
  lineAt(offset: number): number;
}

/**
 * YAML that somebody wrote.
 *
 * @param file its name, for messages
 * @throws ConfigurationError that begins with file and line
 */
export function readYaml(text: string, file: string): YamlText {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const lineAt = (offset: number) => lines.linePos(offset).line;
  const refusal = (line: number, cause: Error) =>
    new ConfigurationError(`${file}:${line}: this is not YAML: ${cause.message.split('\n')[0]}`, { cause });
  const [fault] = document.errors;
  if (fault) throw refusal(fault.linePos?.[0].line ?? 1, fault);
  try {
    return { document, values: document.toJS(), lineAt };
  } catch (error) {
    // An alias that stands for nothing, or aliases that multiply without end.
    let at = 0;
    visit(document, {
      Alias(_key, alias) {
        at = alias.range?.[0] ?? 0;
        return alias.resolve(document) ? undefined : visit.BREAK;
      },
    });
    throw refusal(lineAt(at), error as Error);
  }
}
