import { useEffect, useState } from 'preact/hooks';
import { ofShown } from './databases.ts';
import { type Fault, load } from './live.ts';

// Of this tab only, and gone with it. The console's own token is never kept.
const KEY = 'sqltrail.session';
let token = sessionStorage.getItem(KEY);
const listeners = new Set<() => void>();

function keep(next: string | null) {
  token = next;
  if (next === null) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, next);
  for (const listener of listeners) listener();
}

/** Whether this tab may start a diagnosis, apply and undo. */
export function useUnlocked(): boolean {
  const [unlocked, set] = useState(token !== null);
  useEffect(() => {
    const listener = () => set(token !== null);
    listeners.add(listener);
    listener();
    return () => {
      listeners.delete(listener);
    };
  }, []);
  return unlocked;
}

const post = (url: string, body: unknown, bearer: string | null) =>
  load<{ token?: string }>(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
    },
    body: JSON.stringify(body),
  });

/** @returns the fault, or undefined when the tab is unlocked now */
export async function unlock(given: { token: string } | { code: string }): Promise<Fault | undefined> {
  const { data, fault } =
    'code' in given
      ? await post('/api/session', given, null)
      : await post('/api/session', {}, given.token.trim());
  if (data?.token) keep(data.token);
  return fault;
}

export const lock = () => keep(null);

/** Asks for a change with this tab's right to it. @returns the fault, or undefined when it has begun */
export async function change(url: string, body: unknown): Promise<Fault | undefined> {
  const { fault } = await post(ofShown(url), body, token);
  if (fault && 'status' in fault && fault.status === 401) lock();
  return fault;
}
