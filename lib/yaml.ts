import { stringify } from 'yaml';

/**
 * YAML for programs and people to read: no line is folded, and what is there twice is written twice.
 *
 * @param version of the reader; in 1.1, which kubectl and Docker read, a plain no or 0:0 is something else
 */
export const yaml = (value: unknown, version: '1.1' | '1.2' = '1.2'): string =>
  stringify(value, { lineWidth: 0, aliasDuplicateObjects: false, version });
