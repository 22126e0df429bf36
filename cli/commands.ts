import type { Command } from 'commander';

/** The commands that work on any database, from a clone and from the package alike. */
export const commands: Record<string, (signal: AbortSignal) => Promise<Command>> = {
  diagnose: async (signal) => (await import('./diagnose.ts')).diagnoseCommand(signal),
  fix: async (signal) => (await import('./fix.ts')).fixCommand(signal),
  rewrite: async (signal) => (await import('./rewrite.ts')).rewriteCommand(signal),
  archive: async (signal) => (await import('./archive.ts')).archiveCommand(signal),
  migrate: async (signal) => (await import('./migrateTable.ts')).tableMigrateCommand(signal),
  init: async (signal) => (await import('./init.ts')).initCommand(signal),
  export: async () => (await import('./export.ts')).exportCommand(),
  mcp: async (signal) => (await import('./mcp.ts')).mcpCommand(signal),
  up: async (signal) => (await import('./up.ts')).upCommand(signal),
  schema: async (signal) => (await import('./schema.ts')).schemaCommand(signal),
};
