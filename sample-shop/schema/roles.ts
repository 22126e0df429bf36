import pg from 'pg';

export interface RolePasswords {
  owner: string;
  app: string;
  monitor: string;
}

/** Reads the three passwords from the environment. @throws Error naming the variables that are not set. */
export function rolePasswords(env: NodeJS.ProcessEnv): RolePasswords {
  const names = {
    owner: 'SHOP_OWNER_PASSWORD',
    app: 'SHOP_APP_PASSWORD',
    monitor: 'SQLTRAIL_MONITOR_PASSWORD',
  };
  const missing = Object.values(names).filter((name) => !env[name]);
  if (missing.length > 0)
    throw new Error(`set ${missing.join(', ')}: the passwords of the shop's database roles`);
  const { [names.owner]: owner = '', [names.app]: app = '', [names.monitor]: monitor = '' } = env;
  return { owner, app, monitor };
}

/**
 * Makes or updates the roles: `shop_owner` owns and migrates, `shop_app` reads and writes rows and nothing else,
 * `sqltrail_monitor` reads rows and statistics. Can be run again.
 */
export async function createRoles(admin: pg.ClientBase, passwords: RolePasswords): Promise<void> {
  const roles = [
    ['shop_owner', passwords.owner],
    ['shop_app', passwords.app],
    ['sqltrail_monitor', passwords.monitor],
  ] as const;
  // A password in the text of a statement must not reach the server's log or pg_stat_statements.
  await admin.query(
    "SET log_statement = 'none'; SET log_min_duration_statement = -1; SET log_min_error_statement = 'panic'",
  );
  for (const [role, password] of roles) {
    const known = await admin.query('SELECT FROM pg_roles WHERE rolname = $1', [role]);
    const verb = known.rowCount ? 'ALTER' : 'CREATE';
    await admin.query(
      `${verb} ROLE ${pg.escapeIdentifier(role)} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD ${pg.escapeLiteral(password)}`,
    );
  }
  await admin.query('GRANT pg_monitor TO sqltrail_monitor');
  await admin.query('ALTER ROLE sqltrail_monitor SET default_transaction_read_only = on');
}

/** Grants inside the shop's database, run by a superuser once the tables are there. */
export async function grantOnShop(admin: pg.ClientBase): Promise<void> {
  await admin.query(`
    REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    GRANT USAGE ON SCHEMA public TO shop_app, sqltrail_monitor;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO shop_app;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO shop_app;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO sqltrail_monitor;
    ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO shop_app;
    ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA public GRANT USAGE ON SEQUENCES TO shop_app;
    ALTER DEFAULT PRIVILEGES FOR ROLE shop_owner IN SCHEMA public GRANT SELECT ON TABLES TO sqltrail_monitor`);
}
