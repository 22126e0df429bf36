import { readFile } from 'node:fs/promises';
import { isNode } from 'yaml';
import { z } from 'zod';
import { OperationError } from '../lib/pg/errors.ts';
import { readYaml } from '../lib/yaml.ts';
import { parseName } from './names.ts';

const identifier = z.string().min(1).max(63);
const qualified = z.string().transform((text, context) => {
  const named = parseName(text);
  if (named) return named;
  context.addIssue({
    code: 'custom',
    message: 'give it as schema.table; a name that has a dot in it in double quotes',
  });
  return z.NEVER;
});

const unit = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]{0,40}$/, 'lower case letters, digits and hyphens'),
  /** What the rule is for, and on which ground; shown in each plan. */
  reason: z.string().min(1),
  table: qualified,
  /** An integer key by which whole units are moved; without it each row is a unit, found by its place. */
  key: identifier.optional(),
  /** timestamptz, timestamp, date, or a text that begins as an ISO date. */
  age: identifier,
  olderThanDays: z.number().int().positive(),
  /**
   * `detach`: the table and its children are partitioned by the same ranges of their age, and leave by whole ranges,
   * once no row of a range has to stay. Without it, rows leave one unit at a time.
   */
  partition: z.literal('detach').optional(),
  /** SQL on the table's columns; it is the owner's own text, as a migration's is. */
  where: z.string().min(1).optional(),
  /** Rows that a law suit, an audit or an open case keeps where they are. */
  holds: z
    .array(
      z.strictObject({
        reason: z.string().min(1),
        where: z.string().min(1),
        until: z.iso.date().optional(),
      }),
    )
    .default([]),
  /** Rows of other tables that belong to a unit and go with it. */
  children: z.array(z.strictObject({ table: qualified, column: identifier })).default([]),
  /**
   * Tables that triggers on the unit's tables may write to when its rows are deleted. What they write is not in the
   * files, and `restore` does not undo it. A unit for which a trigger writes elsewhere stays.
   */
  triggersMayWrite: z.array(qualified).optional(),
  /** How long the files are to be kept at least, by which rule. */
  retention: z.strictObject({
    months: z.number().int().positive(),
    rule: z.string().min(1),
    /** A legal hold: no file of the unit is deleted, although its months are over. */
    hold: z.strictObject({ reason: z.string().min(1), until: z.iso.date().optional() }).optional(),
  }),
});

const policy = z
  .strictObject({ version: z.literal(1), units: z.array(unit).min(1) })
  .superRefine(({ units }, context) => {
    const names = new Set<string>();
    units.forEach(({ name, key, partition, children }, i) => {
      if (names.has(name))
        context.addIssue({ code: 'custom', path: ['units', i, 'name'], message: `${name} is there twice` });
      names.add(name);
      if (!key && partition)
        context.addIssue({
          code: 'custom',
          path: ['units', i, 'key'],
          message: 'partitions need the key of their rows',
        });
      if (!key && children.length > 0)
        context.addIssue({
          code: 'custom',
          path: ['units', i, 'children'],
          message: 'children need a key of their parent',
        });
    });
  });

export type ArchivePolicy = z.infer<typeof policy>;
export type ArchiveUnit = ArchivePolicy['units'][number];

/** @throws OperationError or ConfigurationError naming the file, the line and the field */
export async function readPolicy(file: string): Promise<ArchivePolicy> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new OperationError(
      `The archival policy ${file} cannot be read: ${(error as Error).message}. Give another with --policy.`,
      { cause: error },
    );
  }
  const { document, values, lineAt } = readYaml(text, file);
  const lineOf = (at: readonly PropertyKey[]): number => {
    for (let length = at.length; length > 0; length -= 1) {
      const found = document.getIn(at.slice(0, length), true);
      if (isNode(found) && found.range) return lineAt(found.range[0]);
    }
    return 1;
  };
  const read = policy.safeParse(values);
  if (!read.success)
    throw new OperationError(
      read.error.issues
        .map((issue) => {
          const at =
            issue.code === 'unrecognized_keys' ? [...issue.path, ...issue.keys.slice(0, 1)] : issue.path;
          return { line: lineOf(at), text: `${issue.path.join('.') || 'the file'}: ${issue.message}` };
        })
        .sort((a, b) => a.line - b.line)
        .map(({ line, text: said }) => `${file}:${line}: ${said}`)
        .join('\n'),
    );
  return read.data;
}
