import type pg from 'pg';

/** The session's number at the server, which the driver's types leave out. */
export const processIdOf = (client: pg.Client): number =>
  (client as unknown as { processID: number }).processID;

/**
 * Whether something between this client and Postgres hands its server connections to others: PgBouncer, Odyssey,
 * Supavisor, pgcat, RDS Proxy.
 *
 * Postgres tells each client, for its cancel requests, the number of the process that serves it, which is what
 * pg_backend_pid() gives. A pooler cannot know that number when a client connects, since its statements go to one
 * process now and to another later: it makes up a number for each client and translates cancel requests (PgBouncer's
 * pull request 717 says so of PgBouncer and of Odyssey). This needs no rights and one statement. Comparing addresses
 * (inet_client_port() with the port of our socket) would not do: a tunnel, `kubectl port-forward` and a published port
 * of a container change them and pool nothing. Neither would comparing pg_backend_pid() over several transactions: a
 * pooler with nothing to do gives the same connection each time.
 *
 * A proxy that gives each client a connection of its own and yet makes up the number is taken for a pooler.
 *
 * @param tag a comment that marks the statement as ours
 */
export async function isPooled(client: pg.Client, tag = ''): Promise<boolean> {
  const { rows } = await client.query<{ pid: number }>(`SELECT pg_catalog.pg_backend_pid() AS pid ${tag}`);
  return rows[0]?.pid !== processIdOf(client);
}

/** An answer of a pooler to a client that asks, on connecting, for a setting that the pooler cannot keep. */
export function refusedParameter(error: unknown): string | undefined {
  return /unsupported startup parameter(?: in options)?: (\S+)/.exec((error as Error).message)?.[1];
}
