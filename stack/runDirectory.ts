import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { ConfigurationError, errorCode } from '../lib/errors.ts';
import { PRIVATE_DIRECTORY, PRIVATE_FILE } from '../lib/privateFiles.ts';

/** The checkout, or the package, that this file lies in. */
export const checkout = path.resolve(import.meta.dirname, '..');

/** Passwords and tokens of one run directory, random, kept in a file only the owner may read. */
const secretsSchema = z.object({
  postgresPassword: z.string().min(16),
  shopOwnerPassword: z.string().min(16),
  shopAppPassword: z.string().min(16),
  monitorPassword: z.string().min(16),
  /** Bearer token of every request that changes state. */
  token: z.string().min(16),
  /** Bearer token of Alertmanager's webhook to the console. */
  webhookToken: z.string().min(16),
});
export type Secrets = z.infer<typeof secretsSchema>;

const identity = z.object({ pid: z.number().int().positive(), startTime: z.string() });

const runStateSchema = z.object({
  version: z.literal(1),
  startedAt: z.string(),
  supervisor: identity,
  ports: z.record(z.string(), z.number()),
  parts: z.array(
    identity.extend({
      name: z.string(),
      /** The port its health is asked on. */
      port: z.number(),
      healthUrl: z.string().nullable(),
      stopSignal: z.string(),
      logFile: z.string(),
      restarts: z.number(),
    }),
  ),
});
/** What runs in a run directory, as `run.json` has it: pids and ports, never a secret. */
export type RunState = z.infer<typeof runStateSchema>;

const partialWrite = (file: string) => `${file}.${process.pid}.tmp`;

/** Writes a file so that a reader, or a kill at any moment, sees either the old content or the new. */
export async function writeAtomically(file: string, content: string, mode = PRIVATE_FILE): Promise<void> {
  await writeFile(partialWrite(file), content, { mode });
  await rename(partialWrite(file), file);
}

/** `SQLTRAIL_DIR`, or `.sqltrail` in the checkout; absolute. */
export const resolveRunDirectory = (dir = process.env['SQLTRAIL_DIR']) =>
  path.resolve(dir || path.join(checkout, '.sqltrail'));

/**
 * Makes a directory, and makes sure that files can be made in it.
 * @throws ConfigurationError naming the directory, the system's reason and the remedy.
 */
export async function makeWritable(
  directory: string,
  what: string,
  remedy: string,
  mode = 0o755,
): Promise<void> {
  const probe = path.join(directory, `.probe-${process.pid}`);
  try {
    await mkdir(directory, { recursive: true, mode });
    await writeFile(probe, '');
    await rm(probe);
  } catch (cause) {
    throw new ConfigurationError(
      `Cannot write to the ${what} ${directory} (${errorCode(cause) ?? cause}): ${remedy}.`,
      { cause },
    );
  }
}

/** The files of a run: data, configuration, secrets, logs and state of the native parts. */
export class RunDirectory {
  readonly path: string;

  constructor(dir?: string) {
    this.path = resolveRunDirectory(dir);
  }

  file(...segments: string[]): string {
    return path.join(this.path, ...segments);
  }

  get lockFile() {
    return this.file('run.lock');
  }

  /**
   * Makes the directory and makes sure it can be written.
   * @throws ConfigurationError naming the directory, the system's reason and the variable to set.
   */
  async open(): Promise<void> {
    const remedy = 'make it writable, or set SQLTRAIL_DIR to a directory that is';
    // Postgres may run as another user and must pass through to its data; nobody else needs what is in here.
    const passed = process.getuid?.() === 0 ? 0o711 : PRIVATE_DIRECTORY;
    const modes = {
      '': passed,
      data: passed,
      log: PRIVATE_DIRECTORY,
      config: PRIVATE_DIRECTORY,
      secrets: PRIVATE_DIRECTORY,
    };
    for (const [dir, mode] of Object.entries(modes)) {
      await makeWritable(this.file(dir), 'run directory', remedy, mode);
      // One that an earlier version made may be open to all.
      await chmod(this.file(dir), mode);
    }
  }

  /**
   * The directory's secrets, made on the first call.
   * @throws ConfigurationError when the file is damaged, or is gone while the data it belongs to is still there.
   */
  async secrets(): Promise<Secrets> {
    const file = this.file('secrets', 'secrets.json');
    const startFresh = `Put ${file} back, or remove ${this.file('data')} and ${file} to start with new data.`;
    try {
      await chmod(file, 0o600);
      return secretsSchema.parse(JSON.parse(await readFile(file, 'utf8')));
    } catch (cause) {
      if (errorCode(cause) !== 'ENOENT')
        throw new ConfigurationError(`The passwords in ${file} cannot be read. ${startFresh}`, { cause });
    }
    const hasData = await stat(this.file('data', 'postgres', 'PG_VERSION')).then(
      () => true,
      () => false,
    );
    if (hasData)
      throw new ConfigurationError(`The passwords of the database in ${this.path} are gone. ${startFresh}`);
    const random = () => randomBytes(24).toString('base64url');
    const secrets: Secrets = {
      postgresPassword: random(),
      shopOwnerPassword: random(),
      shopAppPassword: random(),
      monitorPassword: random(),
      token: random(),
      webhookToken: random(),
    };
    await writeAtomically(file, `${JSON.stringify(secrets, null, 2)}\n`);
    return secrets;
  }

  async writeState(state: RunState): Promise<void> {
    await writeAtomically(this.file('run.json'), `${JSON.stringify(state, null, 2)}\n`);
  }

  /** The state that the last run wrote; undefined when none did, or when it stopped cleanly. */
  async readState(): Promise<RunState | undefined> {
    try {
      return runStateSchema.parse(JSON.parse(await readFile(this.file('run.json'), 'utf8')));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw new ConfigurationError(
        `${this.file('run.json')} is damaged: stop processes that still run by hand (see ps), then remove the file.`,
        { cause: error },
      );
    }
  }

  async removeState(): Promise<void> {
    await rm(this.file('run.json'), { force: true });
  }
}
