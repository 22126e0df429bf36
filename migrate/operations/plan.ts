import type { ZodType } from 'zod';
import { hashOf } from '../migration.ts';
import { type DeclaredMigration, declaredMigration, readAs, writeYaml } from './declared.ts';
import { type MovedMigration, movedMigration } from './moved/declared.ts';

/** The plan of any operation, as its file holds it. */
export type Plan = DeclaredMigration | MovedMigration;

const schemaOf = (content: unknown): ZodType<Plan> =>
  movedMigration.shape.operation.safeParse((content as { operation?: unknown } | null)?.operation).success
    ? movedMigration
    : declaredMigration;

export const writePlan = (plan: Plan): string => writeYaml(plan);

/** @param file its name, for messages @throws ConfigurationError naming what is wrong and where */
export const readPlan = (text: string, file: string): Plan => readAs(schemaOf, text, file);

/** A migration that has begun goes on only with the file that it began with; comments and layout do not count. */
export const hashOfPlan = (plan: Plan): string => hashOf(schemaOf(plan).parse(plan));
