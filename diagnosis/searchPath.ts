import type { Session } from './readSession.ts';
import type { Table } from './relations.ts';

/** A name that a statement uses without a schema, where no permanent table can be told to be meant. */
export const NOT_TOLD = 'pg_temp';

/** Postgres's own default. */
const DEFAULT_PATH = '"$user", public';

/** Names in a search_path, as Postgres reads it: lower case unless quoted. */
export const pathNames = (value: string): string[] =>
  [...value.matchAll(/"((?:[^"]|"")*)"|([^\s,"]+)/g)].map(
    ([, quoted, bare = '']) => quoted?.replaceAll('""', '"') ?? bare.toLowerCase(),
  );

/** What names in the statements of this database mean. */
export interface Names {
  /** Schemas that a statement of these roles looks through: that of the first role, with those not on it at the end. */
  path(roles: readonly string[] | undefined): string[];
  /**
   * Schema of the table that a name means for every one of the roles; {@link NOT_TOLD} where it is a temporary
   * table or a foreign table, where the roles differ, or where it is on no path and in several schemas.
   */
  schemaOf(name: string, roles: readonly string[] | undefined): string;
  /** Whether it is a view, whose tables the planner knows. */
  isView(name: string, schema: string): boolean;
  /** Names that were not told, with the schemas in which they are. */
  readonly untold: ReadonlyMap<string, readonly string[]>;
}

/**
 * The search_path of each role as the server sets it when it connects (ALTER ROLE, ALTER DATABASE, the configuration),
 * and the relations that may hide a table. What an application sets for itself later is not seen.
 */
export async function readNames(
  session: Session,
  tables: readonly Table[],
  texts: PromiseLike<readonly string[]>,
): Promise<Names> {
  const askSettings = session.query<{ role: string | null; here: boolean; value: string }>(
    `SELECT r.rolname::text AS role, s.setdatabase <> 0 AS here, substr(entry, length('search_path=') + 1) AS value
       FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole CROSS JOIN unnest(s.setconfig) AS entry
      WHERE s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database())) AND entry LIKE 'search_path=%'`,
  );
  const askServer = session.query<{ path: string; own: string }>(
    "SELECT reset_val AS path, session_user::text AS own FROM pg_settings WHERE name = 'search_path'",
  );
  const askOther = session.query<{ schema: string; name: string; temporary: boolean; view: boolean }>(
    `SELECT n.nspname::text AS schema, c.relname::text AS name, c.relpersistence = 't' AS temporary, c.relkind = 'v' AS view
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE (c.relkind IN ('v', 'f') OR c.relpersistence = 't' AND c.relkind IN ('r', 'p')) AND n.nspname NOT IN ('pg_catalog', 'information_schema')`,
  );
  const [settings, [server], other, written] = await Promise.all([askSettings, askServer, askOther, texts]);
  const places = new Map<string, Set<string>>();
  const tableAt = new Set<string>();
  const tableNames = new Set(tables.map(({ name }) => name));
  const put = (name: string, schema: string) =>
    places.set(name, (places.get(name) ?? new Set<string>()).add(schema));
  for (const { schema, name } of tables) {
    put(name, schema);
    tableAt.add(`${schema}\0${name}`);
  }
  const viewAt = new Set<string>();
  for (const { schema, name, temporary, view } of other) {
    if (!temporary) put(name, schema);
    if (view && !temporary) viewAt.add(`${schema}\0${name}`);
  }
  const temporary = new Set([
    ...other.filter((each) => each.temporary).map(({ name }) => name),
    ...written.flatMap((text) => temporaryIn(text) ?? []),
  ]);
  const schemas = [...new Set(tables.map(({ schema }) => schema))].sort(
    (a, b) => Number(b === 'public') - Number(a === 'public') || a.localeCompare(b, 'en'),
  );
  const valueFor = (role: string | undefined) => {
    const set = (of: string | null, here: boolean) =>
      settings.find((each) => each.role === of && each.here === here)?.value;
    const ofRole = role === undefined ? undefined : (set(role, true) ?? set(role, false));
    // Our own session begins with what is set for our own role, which says nothing of others.
    const ownIsSet = settings.some(({ role: of }) => of === server?.own);
    return (
      ofRole ??
      set(null, true) ??
      set(null, false) ??
      (ownIsSet ? DEFAULT_PATH : server?.path) ??
      DEFAULT_PATH
    );
  };
  const own = (role: string | undefined) =>
    pathNames(valueFor(role)).flatMap((name) => (name === '$user' ? (role ?? []) : name));
  const untold = new Map<string, string[]>();
  const find = (name: string, role: string | undefined): string => {
    const at = places.get(name) ?? new Set();
    const onPath = own(role).find((schema) => at.has(schema));
    // Nobody can use a table without a path to it: the application sets its own.
    const schema = onPath ?? (at.size === 1 ? [...at][0] : undefined);
    const place = `${schema}\0${name}`;
    return schema !== undefined && (tableAt.has(place) || viewAt.has(place)) ? schema : NOT_TOLD;
  };
  return {
    untold,
    isView: (name, schema) => viewAt.has(`${schema}\0${name}`),
    path(roles) {
      const first = own(roles?.[0]);
      return [...first, ...schemas.filter((schema) => !first.includes(schema))];
    },
    schemaOf(name, roles) {
      const found = new Set((roles?.length ? roles : [undefined]).map((role) => find(name, role)));
      const [schema = NOT_TOLD, ...more] = found;
      const told = !temporary.has(name) && more.length === 0 && schema !== NOT_TOLD;
      if (told) return schema;
      if (tableNames.has(name)) untold.set(name, [...(places.get(name) ?? [])]);
      return NOT_TOLD;
    },
  };
}

const creation =
  /\bCREATE\s+(?:GLOBAL\s+|LOCAL\s+)?TEMP(?:ORARY)?\s+TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?(?:pg_temp\s*\.\s*)?("(?:[^"]|"")+"|[^\s("]+)/i;

/** The temporary table that a statement makes. */
function temporaryIn(text: string): string | undefined {
  const [, name] = creation.exec(text) ?? [];
  return name?.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name?.toLowerCase();
}
