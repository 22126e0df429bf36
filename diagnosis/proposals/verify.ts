import { parseSync } from 'libpg-query';
import type { CheckContext, Index, Table } from '../check.ts';
import { endIfOver } from '../checks/shared.ts';
import type { Finding, Fix } from '../finding.ts';
import { indexFix, Refused } from './createIndex.ts';
import { keptFor } from './drop.ts';
import { foreignKeyRefused, NOT_VALID_ON_PARTITIONED } from './foreignKey.ts';

type Node = Record<string, unknown>;

const list = (value: unknown) => (Array.isArray(value) ? (value as Node[]) : []);
const child = (node: unknown, key: string) => (node as Node | undefined)?.[key] as Node | undefined;
const text = (node: unknown) => child(node, 'String')?.['sval'] as string;

/** What a statement needs beyond the rights of the tables' owner, in words. */
type Needs = string[];

/**
 * A finding whose fix the server will carry out. Everything that any check proposes comes through here: indexes get
 * their statements, every other statement is compared with the catalogue. What Postgres would refuse is not reported
 * as SQL, but as the reason.
 */
export async function verifyFix(context: CheckContext, finding: Finding): Promise<Finding> {
  const { fix } = finding;
  if (!fix || (!fix.index && fix.sql.length === 0)) return finding;
  const [object] = finding.objects;
  const table = context.tables.find(
    ({ schema, name }) => schema === object?.schema && name === object?.table,
  );
  try {
    const built = fix.index && table ? await indexFix(context, table, fix) : fix;
    const needs: string[] = [];
    for (const sql of built.sql) needs.push(...(await check(context, sql)));
    if (context.capabilities.isReplica) needs.push('to be run on the primary: this server is a replica');
    const caveats = [...new Set([...(built.caveats ?? []), ...needs])];
    return { ...finding, fix: caveats.length > 0 ? { ...built, caveats } : built };
  } catch (error) {
    endIfOver(context, error);
    return { ...finding, fix: without(fix, error) };
  }
}

function without(fix: Fix, error: unknown): Fix {
  const { index, ...rest } = fix;
  const why =
    error instanceof Refused
      ? `Postgres would not carry it out as it stands: ${error.message}`
      : `it could not be checked: ${(error as Error).message}`;
  return { ...rest, sql: [], undo: [], caveats: [...(fix.caveats ?? []), why] };
}

/** @throws Refused when the server would refuse the statement. */
async function check(context: CheckContext, sql: string): Promise<Needs> {
  const { stmts } = parseSync(sql) as unknown as { stmts: { stmt: Node }[] };
  const [kind = ''] = Object.keys(stmts[0]?.stmt ?? {});
  const node = child(stmts[0]?.stmt, kind) as Node;
  const checked = checks[kind];
  return checked ? checked(context, node, sql) : [`not checked: ${kind.replace(/Stmt$/, '')}`];
}

function tableNamed(context: CheckContext, relation: Node | undefined): Table {
  const [schema, name] = [relation?.['schemaname'], relation?.['relname']];
  const table = context.tables.find((each) => each.schema === schema && each.name === name);
  if (!table) throw new Refused(`there is no table ${schema}.${name}`);
  return table;
}

function indexNamed(context: CheckContext, schema: string, name: string): { table: Table; index: Index } {
  for (const table of context.tables) {
    const index = table.schema === schema ? table.indexes.find((each) => each.name === name) : undefined;
    if (index) return { table, index };
  }
  throw new Refused(`there is no index ${schema}.${name}`);
}

async function free(context: CheckContext, relation: Node | undefined): Promise<void> {
  const [schema, name] = [relation?.['schemaname'], relation?.['relname']];
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

const checks: Record<string, (context: CheckContext, node: Node, sql: string) => Promise<Needs>> = {
  async IndexStmt(context, node) {
    const table = tableNamed(context, child(node, 'relation'));
    if (table.kind === 'partitioned' && node['concurrent'])
      throw new Refused('a partitioned table takes no CREATE INDEX CONCURRENTLY');
    await free(context, { schemaname: table.schema, relname: node['idxname'] });
    return [];
  },
  // Only an index that was just proposed with its parts is attached.
  async AlterTableStmt(context, node) {
    const needs: string[] = [];
    if (node['objtype'] === 'OBJECT_INDEX') return needs;
    const table = tableNamed(context, child(node, 'relation'));
    for (const command of list(node['cmds']).map((each) => child(each, 'AlterTableCmd') as Node))
      await alteration(context, table, command);
    return needs;
  },
  async DropStmt(context, node) {
    if (node['removeType'] !== 'OBJECT_INDEX') return ['not checked: DROP'];
    for (const object of list(node['objects'])) {
      const [schema, name] = list(child(object, 'List')?.['items']).map(text);
      const { table, index } = indexNamed(context, schema ?? '', name ?? '');
      const kept = keptFor(index);
      if (kept) throw new Refused(`${index.name} has to stay: ${kept}`);
      if (table.kind === 'partitioned' && node['concurrent'])
        throw new Refused('the index of a partitioned table cannot be dropped CONCURRENTLY');
    }
    return [];
  },
  async ReindexStmt(context, node) {
    const relation = child(node, 'relation');
    const { index } = indexNamed(context, String(relation?.['schemaname']), String(relation?.['relname']));
    if (index.constraint && !index.unique)
      throw new Refused('the index of an exclusion constraint cannot be rebuilt CONCURRENTLY');
    return [];
  },
  async VacuumStmt(context, node) {
    for (const relation of list(node['rels']))
      tableNamed(context, child(child(relation, 'VacuumRelation'), 'relation'));
    return [];
  },
  async CreateSeqStmt(context, node) {
    await free(context, child(node, 'sequence'));
    return [];
  },
  async CreateStmt(context, node) {
    await free(context, child(node, 'relation'));
    const columns = list(node['tableElts']).flatMap((element): Node[] => {
      const column = child(element, 'ColumnDef');
      return column ? [column] : [];
    });
    const names = columns.map((column) => column['colname']);
    if (new Set(names).size < names.length) throw new Refused('two of its columns have one name');
    return [];
  },
  CreateExtensionStmt: (context, node) => available(context, String(node['extname'])),
  async AlterSystemStmt(context, node) {
    const name = String(child(node, 'setstmt')?.['name']);
    const setting = await settingNamed(context, name);
    if (setting.context === 'internal') throw new Refused(`${name} cannot be set`);
    if (name === 'shared_preload_libraries')
      for (const argument of list(child(node, 'setstmt')?.['args'])) {
        const library = String(child(child(argument, 'A_Const'), 'sval')?.['sval']);
        // A server that does not find one of its libraries does not start.
        if (!(context.settings.get(name)?.value ?? '').includes(library)) await available(context, library);
      }
    const [managed] = await context.session.query<{ role: string }>(
      'SELECT rolname::text AS role FROM pg_roles WHERE rolname = ANY ($1) LIMIT 1',
      [MANAGED],
    );
    return [
      ...(managed
        ? [
            `this server has the role ${managed.role} of a managed service, where ${name} is set in the service’s own settings and not by SQL`,
          ]
        : ['ALTER SYSTEM is for a superuser']),
      setting.context === 'postmaster'
        ? `${name} takes effect after a restart of the server`
        : 'it takes effect after SELECT pg_reload_conf()',
    ];
  },
  async AlterDatabaseSetStmt(context, node) {
    const name = String(child(node, 'setstmt')?.['name']);
    const setting = await settingNamed(context, name);
    if (!['user', 'superuser', 'backend', 'superuser-backend'].includes(setting.context))
      throw new Refused(`${name} can only be set for the whole server`);
    return setting.context.startsWith('superuser') ? [`${name} is set by a superuser`] : [];
  },
  async SelectStmt(context, _node, sql) {
    await context.session.plan(sql, '').catch((error: Error & { code?: string }) => {
      if (/^(42(?!501)|22|0A|3F)/.test(error.code ?? '')) throw new Refused(error.message);
      throw error;
    });
    return [];
  },
};

async function alteration(context: CheckContext, table: Table, command: Node): Promise<void> {
  switch (command['subtype']) {
    case 'AT_AddColumn': {
      const name = child(child(command, 'def'), 'ColumnDef')?.['colname'];
      if (table.partitionOf !== null) throw new Refused('a partition has the columns of its table');
      if (table.kind === 'materialized view') throw new Refused('a materialized view has those of its query');
      if (table.fixedColumns)
        throw new Refused('other tables inherit from it, or its columns are those of a type');
      if (table.columns.some((column) => column.name === name))
        throw new Refused(`${table.name} has a column ${name} already`);
      return;
    }
    case 'AT_SetRelOptions':
      if (table.kind === 'partitioned') throw new Refused('a partitioned table has no storage parameters');
      return;
    case 'AT_AddConstraint': {
      const constraint = child(child(command, 'def'), 'Constraint') as Node;
      if (constraint['contype'] !== 'CONSTR_FOREIGN') return;
      const [column, ...more] = list(constraint['fk_attrs']).map(text);
      const [key] = list(constraint['pk_attrs']).map(text);
      if (column === undefined || key === undefined || more.length > 0) return;
      if (
        constraint['skip_validation'] &&
        table.kind === 'partitioned' &&
        context.capabilities.version < NOT_VALID_ON_PARTITIONED
      )
        throw new Refused('this version of Postgres takes no NOT VALID foreign key on a partitioned table');
      const refused = await foreignKeyRefused(
        context,
        table,
        column,
        tableNamed(context, child(constraint, 'pktable')),
        key,
      );
      if (refused) throw new Refused(refused);
    }
  }
}
