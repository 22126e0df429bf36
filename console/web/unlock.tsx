import { useEffect, useRef, useState } from 'preact/hooks';
import type { Fault } from './live.ts';
import { Notice } from './parts.tsx';
import { unlock } from './session.ts';

/** Asks for the token; what follows is the caller's. */
export function Unlock({ onUnlocked, onCancel }: { onUnlocked: () => void; onCancel: () => void }) {
  const [fault, set] = useState<Fault>();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);
  return (
    <form
      class="unlock"
      onSubmit={async (event) => {
        event.preventDefault();
        const failed = await unlock({ token: input.current?.value ?? '' });
        set(failed);
        if (!failed) onUnlocked();
      }}
    >
      <label>
        Console token (SQLTRAIL_TOKEN){' '}
        <input ref={input} type="password" autocomplete="off" required aria-describedby="unlock-help" />
      </label>
      <span class="buttons">
        <button type="submit" class="primary">
          Unlock
        </button>
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
      </span>
      <p id="unlock-help" class="soft small">
        It is sent once and not kept; this tab gets a right of its own for 12 hours. npm start prints a link
        that does the same.
      </p>
      <Notice fault={fault} />
    </form>
  );
}

/** `#/unlock/<code>`: the one-time link. The code leaves the address bar before anything else happens. */
export function UnlockPage({ code }: { code: string }) {
  const [state, set] = useState<'asking' | 'done' | Fault>('asking');
  useEffect(() => {
    history.replaceState(null, '', '#/');
    void unlock({ code }).then((fault) => set(fault ?? 'done'));
  }, [code]);
  return (
    <>
      <h2>Unlock</h2>
      {state === 'asking' ? <p role="status">Unlocking …</p> : null}
      {state === 'done' ? (
        <p role="status">
          ✓ This tab may now run the diagnosis, apply and undo. <a href="#/findings">Findings</a> ·{' '}
          <a href="#/actions">Actions</a>
        </p>
      ) : null}
      {typeof state === 'object' ? <Notice fault={state} /> : null}
    </>
  );
}
