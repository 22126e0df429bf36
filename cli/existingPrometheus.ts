import { z } from 'zod';

const TIMEOUT_MS = 5_000;
/** The first that takes `keep_firing_for` in rules and `scrape_config_files`. */
const MIN_VERSION = [2, 43] as const;

const buildInfo = z.object({ data: z.object({ version: z.string() }) });
const flags = z.object({ data: z.record(z.string(), z.string()) });

async function read<T>(url: string, path: string, schema: z.ZodType<T>): Promise<T | undefined> {
  const response = await fetch(new URL(path, `${url}/`), { signal: AbortSignal.timeout(TIMEOUT_MS) });
  return schema.safeParse(await response.json().catch(() => undefined)).data;
}

/**
 * What a Prometheus that runs already lacks for `up`, each with what to do. Nothing of it stops the rest: the collector
 * queues what it cannot send.
 */
export async function prometheusLacks(url: string): Promise<string[]> {
  try {
    const version = (await read(url, 'api/v1/status/buildinfo', buildInfo))?.data.version;
    if (version === undefined) return [`--prometheus: ${url} does not answer like Prometheus.`];
    // One that somebody built may not know its version.
    const [, major, minor] = /^(\d+)\.(\d+)/.exec(version)?.map(Number) ?? [];
    const isOld =
      major !== undefined &&
      minor !== undefined &&
      (major < MIN_VERSION[0] || (major === MIN_VERSION[0] && minor < MIN_VERSION[1]));
    // A Mimir or Thanos that takes its queries may have no such page.
    const given = (await read(url, 'api/v1/status/flags', flags))?.data;
    return [
      ...(isOld
        ? [
            `--prometheus: ${url} is version ${version}; the exported rules and scrape jobs need ${MIN_VERSION.join('.')} or newer.`,
          ]
        : []),
      ...(given && given['web.enable-remote-write-receiver'] !== 'true'
        ? [
            `--prometheus: ${url} takes no remote writes, so metrics of spans do not arrive: start it with --web.enable-remote-write-receiver.`,
          ]
        : []),
      ...(given && !given['enable-feature']?.includes('exemplar-storage')
        ? [
            `--prometheus: ${url} keeps no exemplars, so metrics do not lead to traces: start it with --enable-feature=exemplar-storage.`,
          ]
        : []),
    ];
  } catch {
    return [
      `--prometheus: nothing answers at ${url} now; metrics of spans wait in the collector’s queue until it does.`,
    ];
  }
}
