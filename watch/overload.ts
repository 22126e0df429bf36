import { ConnectionFailed, openSession } from '../diagnosis/session.ts';

/** Share of the connections that may be in use. */
const MAX_CONNECTIONS_USED = 0.85;
/** Sessions of the database that may wait for a lock; connections are the whole server's, locks are not. */
const MAX_BLOCKED = 5;
/** A database that needs longer for a look at its sessions has no time for a diagnosis. */
const ANSWER_MS = 2_000;

interface Sessions {
  available: number;
  used: number;
  blocked: number;
}

/**
 * Why a database has no room for a diagnosis now; undefined where it has.
 *
 * @throws ConnectionFailed when it cannot be reached
 */
export async function overloadOf(url: string, signal: AbortSignal): Promise<string | undefined> {
  const tooMany = (error: unknown) =>
    error instanceof ConnectionFailed && (error.cause as { code?: string } | undefined)?.code === '53300';
  const session = await openSession({
    url,
    statementTimeoutMs: ANSWER_MS,
    lockTimeoutMs: 500,
    budgetMs: 2 * ANSWER_MS,
    dutyCycle: 1,
    signal,
  }).catch((error: unknown) => {
    if (tooMany(error)) return undefined;
    throw error;
  });
  if (!session) return 'it has no connection left';
  try {
    const [sessions] = await session.query<Sessions>(
      `SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS available,
              (count(*) FILTER (WHERE coalesce(backend_type, 'client backend') = 'client backend'))::int AS used,
              (count(*) FILTER (WHERE wait_event_type = 'Lock' AND datname = current_database()))::int AS blocked
         FROM pg_stat_activity`,
    );
    if (!sessions) return undefined;
    const { available, used, blocked } = sessions;
    if (used >= available * MAX_CONNECTIONS_USED) return `${used} of its ${available} connections are in use`;
    if (blocked >= MAX_BLOCKED) return `${blocked} sessions wait for a lock`;
    return undefined;
  } catch (error) {
    if ((error as { code?: string }).code === '57014')
      return `it did not list its sessions in ${ANSWER_MS / 1000} s`;
    throw error;
  } finally {
    await session.close();
  }
}
