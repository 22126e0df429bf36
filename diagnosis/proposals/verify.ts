import type { CheckContext } from '../check.ts';
import { endIfOver } from '../checks/shared.ts';
import type { Finding } from '../finding.ts';
import type { Fix, FixOf, SchemaChange, TableName } from '../fix.ts';
import { fixSql } from '../fixSql.ts';
import type { Index, Table } from '../relations.ts';
import { buildable, Refused } from './createIndex.ts';
import { keptFor } from './drop.ts';
import { foreignKeyRefused, NOT_VALID_ON_PARTITIONED } from './foreignKey.ts';

/** What a fix needs beyond the rights of the tables' owner, in words. */
type Needs = string[];

/**
 * A finding whose fix the server will carry out. Everything that any check proposes comes through here: indexes get
 * their names and parts, everything else is compared with the catalogue. What Postgres would refuse says why.
 */
export async function verifyFix(context: CheckContext, finding: Finding): Promise<Finding> {
  const { fix } = finding;
  if (!fix) return finding;
  try {
    const { fix: checked, needs } = await verified(context, fix);
    if (context.capabilities.isReplica && fixSql(checked).sql.length > 0)
      needs.push('to be run on the primary: this server is a replica');
    const caveats = [...new Set([...(checked.caveats ?? []), ...needs])];
    return { ...finding, fix: caveats.length > 0 ? { ...checked, caveats } : checked };
  } catch (error) {
    endIfOver(context, error);
    const why =
      error instanceof Refused
        ? `Postgres would not carry it out as it stands: ${error.message}`
        : `it could not be checked: ${(error as Error).message}`;
    return { ...finding, fix: { ...fix, refused: true, caveats: [...(fix.caveats ?? []), why] } };
  }
}

/** @throws Refused when the server would refuse it */
async function verified(context: CheckContext, fix: Fix): Promise<{ fix: Fix; needs: Needs }> {
  switch (fix.kind) {
    case 'index':
    case 'rewrite': {
      if (fix.kind === 'index' && fix.drop) droppable(context, fix.drop);
      if (!fix.create) return { fix, needs: [] };
      const { create, lock, caveats } = await buildable(context, tableNamed(context, fix.create), fix.create);
      await Promise.all(create.parts.map(({ schema, index }) => free(context, schema, index)));
      return {
        fix: { ...fix, create, lock, caveats: [...(fix.caveats ?? []), ...caveats] },
        needs: create.extension === undefined ? [] : await available(context, create.extension),
      };
    }
    case 'setting': {
      const needs = await Promise.all([
        ...fix.extensions.map((extension) => available(context, extension)),
        ...fix.settings.map((setting) => settable(context, setting)),
      ]);
      return { fix, needs: needs.flat() };
    }
    case 'maintenance': {
      if (fix.vacuum && tableNamed(context, fix.vacuum).kind === 'partitioned' && fix.storage.length > 0)
        throw new Refused('a partitioned table has no storage parameters');
      if (fix.reindex) {
        const { index } = indexNamed(context, fix.reindex.schema, fix.reindex.index);
        if (index.constraint && !index.unique)
          throw new Refused('the index of an exclusion constraint cannot be rebuilt CONCURRENTLY');
      }
      return { fix, needs: [] };
    }
    case 'archive': {
      for (const sql of fixSql(fix).sql)
        await context.session.plan(sql, '').catch((error: Error & { code?: string }) => {
          if (/^(42(?!501)|22|0A|3F)/.test(error.code ?? '')) throw new Refused(error.message);
          throw error;
        });
      return { fix, needs: [] };
    }
    default:
      for (const change of fix.changes) await changeable(context, change);
      return { fix, needs: [] };
  }
}

function tableNamed(context: CheckContext, { schema, table }: TableName): Table {
  const found = context.tables.find((each) => each.schema === schema && each.name === table);
  if (!found) throw new Refused(`there is no table ${schema}.${table}`);
  return found;
}

function indexNamed(context: CheckContext, schema: string, name: string): { table: Table; index: Index } {
  for (const table of context.tables) {
    const index = table.schema === schema ? table.indexes.find((each) => each.name === name) : undefined;
    if (index) return { table, index };
  }
  throw new Refused(`there is no index ${schema}.${name}`);
}

function droppable(context: CheckContext, drop: NonNullable<FixOf<'index'>['drop']>): void {
  const { index } = indexNamed(context, drop.schema, drop.index);
  const kept = keptFor(index);
  if (kept) throw new Refused(`${index.name} has to stay: ${kept}`);
}

async function free(context: CheckContext, schema: string, name: string): Promise<void> {
  const [taken] = await context.session.query(
    'SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 UNION ALL SELECT FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE n.nspname = $1 AND t.typname = $2',
    [schema, name],
  );
  if (taken) throw new Refused(`the name ${name} is taken in ${schema}`);
}

interface SettingRow {
  context: string;
}

async function settingNamed(context: CheckContext, name: string): Promise<SettingRow> {
  const [setting] = await context.session.query<SettingRow>(
    'SELECT context FROM pg_settings WHERE name = $1',
    [name],
  );
  if (!setting) throw new Refused(`this version of Postgres has no setting ${name}`);
  return setting;
}

/** Roles that managed services have instead of a superuser; there the console or its command line sets the server up. */
const MANAGED = ['rds_superuser', 'cloudsqlsuperuser', 'azure_pg_admin', 'supabase_admin', 'neon_superuser'];

async function available(context: CheckContext, extension: string): Promise<Needs> {
  const [row] = await context.session.query<{ installed: boolean; superuser: boolean }>(
    `SELECT a.installed_version IS NOT NULL AS installed, coalesce(bool_and(v.superuser AND NOT v.trusted), false) AS superuser
       FROM pg_available_extensions a LEFT JOIN pg_available_extension_versions v ON v.name = a.name AND v.version = a.default_version
      WHERE a.name = $1 GROUP BY a.installed_version`,
    [extension],
  );
  if (!row)
    throw new Refused(
      `the server does not have the extension ${extension}; it comes with the package postgresql-contrib, or has to be allowed by the service that runs the server`,
    );
  if (row.installed) return [];
  return [
    row.superuser
      ? `the extension ${extension} is created by a superuser`
      : `the extension ${extension} is created by a role with CREATE on the database`,
  ];
}

async function settable(
  context: CheckContext,
  { name, values, database }: FixOf<'setting'>['settings'][number],
): Promise<Needs> {
  const setting = await settingNamed(context, name);
  if (database !== undefined) {
    if (!['user', 'superuser', 'backend', 'superuser-backend'].includes(setting.context))
      throw new Refused(`${name} can only be set for the whole server`);
    return setting.context.startsWith('superuser') ? [`${name} is set by a superuser`] : [];
  }
  if (setting.context === 'internal') throw new Refused(`${name} cannot be set`);
  if (name === 'shared_preload_libraries')
    // A server that does not find one of its libraries does not start.
    for (const library of values)
      if (!(context.settings.get(name)?.value ?? '').includes(library)) await available(context, library);
  const [managed] = await context.session.query<{ role: string }>(
    'SELECT rolname::text AS role FROM pg_roles WHERE rolname = ANY ($1) LIMIT 1',
    [MANAGED],
  );
  return [
    managed
      ? `this server has the role ${managed.role} of a managed service, where ${name} is set in the service’s own settings and not by SQL`
      : 'ALTER SYSTEM is for a superuser',
    setting.context === 'postmaster'
      ? `${name} takes effect after a restart of the server`
      : 'it takes effect after SELECT pg_reload_conf()',
  ];
}

/** @throws Refused when the server would refuse the change */
async function changeable(context: CheckContext, change: SchemaChange): Promise<void> {
  switch (change.change) {
    case 'add column': {
      const table = tableNamed(context, change);
      if (table.partitionOf !== null) throw new Refused('a partition has the columns of its table');
      if (table.kind === 'materialized view') throw new Refused('a materialized view has those of its query');
      if (table.fixedColumns)
        throw new Refused('other tables inherit from it, or its columns are those of a type');
      if (table.columns.some(({ name }) => name === change.column))
        throw new Refused(`${table.name} has a column ${change.column} already`);
      return;
    }
    case 'add foreign key': {
      const table = tableNamed(context, change);
      if (
        change.validate !== 'at once' &&
        table.kind === 'partitioned' &&
        context.capabilities.version < NOT_VALID_ON_PARTITIONED
      )
        throw new Refused('this version of Postgres takes no NOT VALID foreign key on a partitioned table');
      const { references } = change;
      const parent = tableNamed(context, references);
      const refused = await foreignKeyRefused(context, table, change.column, parent, references.column);
      if (refused) throw new Refused(refused);
      return;
    }
    case 'create table': {
      await free(context, change.schema, change.table);
      if (new Set(change.columns.map(({ name }) => name)).size < change.columns.length)
        throw new Refused('two of its columns have one name');
      return;
    }
    case 'create sequence':
      return free(context, change.schema, change.sequence);
    case 'column type': {
      const table = tableNamed(context, change);
      if (table.partitionOf !== null) throw new Refused('a partition has the columns of its table');
      const column = table.columns.find(({ name }) => name === change.column);
      if (column?.type !== change.from)
        throw new Refused(`${table.name}.${change.column} is not of the type ${change.from}`);
      const [user] = await context.session.query<{ name: string }>(
        `SELECT CASE WHEN v.oid IS NOT NULL THEN 'the view ' || v.relname WHEN p.oid IS NOT NULL THEN 'the policy ' || p.polname
                     WHEN t.oid IS NOT NULL THEN 'the trigger ' || t.tgname ELSE 'the generated column ' || g.attname END AS name
           FROM pg_depend AS d
           LEFT JOIN pg_rewrite AS r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid LEFT JOIN pg_class AS v ON v.oid = r.ev_class
           LEFT JOIN pg_policy AS p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid
           LEFT JOIN pg_trigger AS t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid AND NOT t.tgisinternal
           LEFT JOIN pg_attrdef AS f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
           LEFT JOIN pg_attribute AS g ON g.attrelid = f.adrelid AND g.attnum = f.adnum AND g.attgenerated <> '' AND g.attnum <> $2
          WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1::oid AND d.refobjsubid = $2
            AND coalesce(v.oid, p.oid, t.oid, g.attrelid) IS NOT NULL
         UNION ALL
         SELECT 'the partition key of ' || $3 FROM pg_partitioned_table WHERE partrelid = $1::oid AND $2 = ANY (partattrs::int2[]) LIMIT 1`,
        [table.oid, column.position, table.name],
      );
      if (user) throw new Refused(`the type of ${table.name}.${change.column} is fixed by ${user.name}`);
      return;
    }
    case 'drop constraint':
    case 'validate constraint': {
      const { oid, name } = tableNamed(context, change);
      const [constraint] = await context.session.query<{ inherited: boolean }>(
        'SELECT NOT conislocal OR conparentid <> 0 AS inherited FROM pg_constraint WHERE conrelid = $1::oid AND conname = $2',
        [oid, change.constraint],
      );
      if (!constraint) throw new Refused(`${name} has no constraint ${change.constraint}`);
      if (constraint.inherited) throw new Refused(`${change.constraint} is that of the table above ${name}`);
      return;
    }
    case 'sequence type': {
      const [sequence] = await context.session.query<{ type: string }>(
        'SELECT data_type::text AS type FROM pg_sequences WHERE schemaname = $1 AND sequencename = $2',
        [change.schema, change.sequence],
      );
      if (sequence?.type !== change.from)
        throw new Refused(
          `there is no sequence ${change.schema}.${change.sequence} of the type ${change.from}`,
        );
    }
  }
}
