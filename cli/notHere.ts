import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { ConfigurationError } from '../lib/errors.ts';

/** What the package leaves in the repository. */
export class OnlyInClone extends ConfigurationError {
  /** @param what is only there, as the subject of a sentence */
  constructor(what: string, command: string) {
    super(`${what} only in a clone of the repository: ${command}`);
  }
}

/** The package that a command would need and that is not installed: those that are heavy come only when asked for. */
function missingPackage(error: unknown): string | undefined {
  const { code, message = '' } = error as NodeJS.ErrnoException;
  return code === 'ERR_MODULE_NOT_FOUND' ? /package '([^']+)'/.exec(message)?.[1] : undefined;
}

/**
 * How a missing package is installed: in the version that this package asks for, and with this package itself where npx
 * has it in a place of its own.
 */
async function installCommand(name: string): Promise<string> {
  const file = path.join(import.meta.dirname, '..', 'package.json');
  const own = JSON.parse(await readFile(file, 'utf8')) as {
    version: string;
    peerDependencies?: Record<string, string>;
  };
  const version = own.peerDependencies?.[name];
  // A clone has every package.
  if (version === undefined) return 'npm ci';
  const fromNpx = import.meta.dirname.includes(`${path.sep}_npx${path.sep}`);
  return `npm install ${fromNpx ? `sqltrail@${own.version} ` : ''}${name}@${version}`;
}

/** Why something cannot be done with what is installed, and what would help; undefined for any other error. */
export async function whyNotHere(error: unknown): Promise<string | undefined> {
  if (error instanceof OnlyInClone) return error.message;
  const missing = missingPackage(error);
  return missing === undefined
    ? undefined
    : `This needs the package ${missing}, which is not installed: ${await installCommand(missing)}`;
}
