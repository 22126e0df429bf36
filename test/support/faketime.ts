import { chmod, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** The preloaded library, where Debian, Ubuntu, Fedora, Arch and a build by hand put it; `LIBFAKETIME` names another. */
export async function libfaketime(): Promise<string | undefined> {
  const given = process.env['LIBFAKETIME'];
  if (given) return given;
  const namesIn = (directory: string) => readdir(directory).catch((): string[] => []);
  const multiarch = await namesIn('/usr/lib');
  const places = [...multiarch.map((name) => `/usr/lib/${name}`), '/usr/lib', '/usr/lib64', '/usr/local/lib'];
  for (const place of places)
    if ((await namesIn(path.join(place, 'faketime'))).includes('libfaketime.so.1'))
      return path.join(place, 'faketime', 'libfaketime.so.1');
  return undefined;
}

/** Calls that wait for a length of time, which is the same on a shifted clock. */
const WAITS = new Set([
  'epoll_wait',
  'epoll_pwait',
  'poll',
  '__poll_chk',
  'ppoll',
  '__ppoll_chk',
  'select',
  'pselect',
  'nanosleep',
  'usleep',
  'sleep',
  'alarm',
]);

const SECTION_DYNSYM = 11;

/**
 * A copy of libfaketime that shifts the clocks and leaves waiting to the C library.
 *
 * While a process is in one of libfaketime's waits, it shows the true time to its signal handlers too. Postgres compares
 * that with the shifted end of its timers: ahead, statement_timeout never ends a pg_sleep; behind, a left-over alarm
 * ends whatever timer runs. So these symbols are made undefined, as the dynamic linker then looks for them further on.
 *
 * @param library a 64-bit little-endian ELF file
 * @returns its path, in a new directory below the system's for temporary files, that everybody may read
 * @throws Error for another kind of file
 */
export async function withoutWaits(library: string): Promise<{ file: string; directory: string }> {
  const elf = await readFile(library);
  if (elf.subarray(0, 6).toString('latin1') !== '\x7fELF\x02\x01')
    throw new Error(`${library} is no 64-bit ELF file. Name libfaketime.so.1 with LIBFAKETIME.`);
  const number = (at: number) => Number(elf.readBigUInt64LE(at));
  const section = (index: number) => {
    const at = number(0x28) + index * elf.readUInt16LE(0x3a);
    return {
      type: elf.readUInt32LE(at + 4),
      offset: number(at + 0x18),
      size: number(at + 0x20),
      link: elf.readUInt32LE(at + 0x28),
      entry: number(at + 0x38),
    };
  };
  const sections = Array.from({ length: elf.readUInt16LE(0x3c) }, (_, index) => section(index));
  const symbols = sections.find(({ type }) => type === SECTION_DYNSYM);
  const names = symbols && sections[symbols.link];
  if (!symbols || !names) throw new Error(`${library} has no table of symbols.`);
  for (let at = symbols.offset; at < symbols.offset + symbols.size; at += symbols.entry) {
    const from = names.offset + elf.readUInt32LE(at);
    if (!WAITS.has(elf.toString('latin1', from, elf.indexOf(0, from)))) continue;
    // Section and value.
    elf.writeUInt16LE(0, at + 6);
    elf.writeBigUInt64LE(0n, at + 8);
  }
  const directory = await mkdtemp(path.join(tmpdir(), 'sqltrail-clock-'));
  await chmod(directory, 0o755);
  const file = path.join(directory, 'libfaketime.so.1');
  await writeFile(file, elf, { mode: 0o755 });
  return { file, directory };
}
