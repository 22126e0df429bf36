import type pg from 'pg';
import { OperationError } from '../lib/pg/errors.ts';
import { keptInLedger } from './kept.ts';
import type { Mapping } from './mapping.ts';
import { hashOf, type Migration } from './migration.ts';
import type { MigrationState } from './state.ts';
import { type Facts, readFacts, stepsOf } from './steps.ts';
import { COMPARING, verify } from './verify.ts';

/** Once the contract has begun, legacy tables go one by one; the steps that are left then need no facts about them. */
async function factsFor(
  client: pg.ClientBase,
  mapping: Mapping,
  state: MigrationState | undefined,
): Promise<Facts> {
  try {
    return await readFacts(client, mapping);
  } catch (error) {
    if (!(error instanceof OperationError) || !state?.steps.some(({ phase }) => phase === 'contract'))
      throw error;
    return {
      columns: new Map(),
      rows: new Map(),
      units: new Map(),
      bytes: new Map(),
      indexed: new Set(),
      sequences: new Map(),
      extensions: new Set(),
    };
  }
}

/** The migration that a mapping declares. */
const mappingMigration = (mapping: Mapping): Migration => ({
  name: mapping.name,
  hash: hashOf(mapping),
  tables: [mapping.legacySchema, mapping.targetSchema].flatMap((schema) =>
    mapping.tables.map(({ table }) => ({ schema, table })),
  ),
  comparing: COMPARING,
  steps: async (client, { state, previousStore }) =>
    stepsOf(mapping, await factsFor(client, mapping, state), previousStore),
  kept: (client) => keptInLedger(client, mapping.name),
  verify: (client, options) => verify(client, mapping, options),
});

export const migrationOf = (given: Mapping | Migration): Migration =>
  'steps' in given ? given : mappingMigration(given);
