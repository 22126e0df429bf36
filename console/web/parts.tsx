import type { ComponentChildren } from 'preact';
import { useEffect, useErrorBoundary, useState } from 'preact/hooks';
import { formatDialect, postgresql } from 'sql-formatter';
import type { Fault } from './live.ts';

export const Notice = ({ fault }: { fault: Fault | undefined }) =>
  fault ? (
    <p class="notice" role="alert">
      <strong>{fault.title}.</strong> {fault.detail} {fault.nextStep}
    </p>
  ) : null;

export const Waiting = () => (
  <p class="soft" role="status">
    Loading …
  </p>
);

/** What failed to be drawn says so, and leaves the rest of the page as it is. */
export function Guard({ children }: { children: ComponentChildren }) {
  const [error, retry] = useErrorBoundary();
  if (!error) return <>{children}</>;
  return (
    <div class="notice" role="alert">
      <strong>This part could not be drawn.</strong> {String(error?.message ?? error).slice(0, 300)}{' '}
      <button type="button" onClick={retry}>
        Try again
      </button>
    </div>
  );
}

export const statementLink = (summary: string) => `#/statements/${encodeURIComponent(summary)}`;
export const traceLink = (traceId: string) => `#/traces/${traceId}`;
export const findingLink = (id: string) => `#/findings/${encodeURIComponent(id)}`;
export const actionLink = (id: string) => `#/actions/${encodeURIComponent(id)}`;

/** Which part of a list is shown. */
export function usePage(length: number, size: number) {
  const [page, go] = useState(0);
  const pages = Math.max(1, Math.ceil(length / size));
  const at = Math.min(page, pages - 1);
  return { at, pages, from: at * size, to: Math.min(length, (at + 1) * size), go };
}

export function Pager({
  what,
  at,
  pages,
  go,
}: {
  what: string;
  at: number;
  pages: number;
  go: (page: number) => void;
}) {
  if (pages < 2) return null;
  return (
    <nav class="pager" aria-label={`Pages of ${what}`}>
      <button type="button" disabled={at === 0} onClick={() => go(at - 1)}>
        ← Previous
      </button>
      <span>
        Page {at + 1} of {pages.toLocaleString('en')}
      </span>
      <button type="button" disabled={at >= pages - 1} onClick={() => go(at + 1)}>
        Next →
      </button>
    </nav>
  );
}

/** Longer texts would keep the formatter, and with it the page, busy for seconds. */
const MAX_FORMATTED = 6_000;
const SHOWN = 4_000;

function formatted(text: string): string {
  if (text.length > MAX_FORMATTED) return text;
  try {
    return formatDialect(text, { dialect: postgresql, keywordCase: 'upper' });
  } catch {
    return text;
  }
}

export function Sql({ text, id, cut = false }: { text: string; id?: string; cut?: boolean }) {
  const [all, showAll] = useState(false);
  const [shown, set] = useState(text.slice(0, SHOWN));
  useEffect(() => set(formatted(text)), [text]);
  const long = shown.length > SHOWN && !all;
  return (
    <>
      <pre id={id} tabIndex={0}>
        {long ? `${shown.slice(0, SHOWN)} …` : shown}
      </pre>
      {long ? (
        <button type="button" class="plain" onClick={() => showAll(true)}>
          Show all {shown.length.toLocaleString('en')} characters
        </button>
      ) : null}
      {cut ? <p class="soft">The statement is longer; its end was left out when it arrived.</p> : null}
    </>
  );
}

/** A command for a terminal; the button is there where the browser lets a page copy (HTTPS, or this machine). */
export function CommandLine({ command }: { command: string }) {
  const [copied, set] = useState(false);
  return (
    <div class="command">
      <pre tabIndex={0}>{command}</pre>
      {isSecureContext ? (
        <button
          type="button"
          onClick={() => void navigator.clipboard.writeText(command).then(() => set(true))}
        >
          <span aria-live="polite">{copied ? '✓ Copied' : 'Copy'}</span>
        </button>
      ) : null}
    </div>
  );
}

/** A table that scrolls by itself where it is wider than the page. */
export const Scroll = ({ label, children }: { label: string; children: ComponentChildren }) => (
  <section class="scroll" tabIndex={0} aria-label={label}>
    {children}
  </section>
);

const marks: Record<string, string> = { critical: '▲', warning: '◆', info: '●' };

export const SeverityMark = ({ severity }: { severity: string }) => (
  <span class={`badge ${severity}`}>
    {marks[severity] ?? ''} {severity}
  </span>
);

export const Share = ({ share }: { share: number }) => (
  <svg class="sharebar" width="80" height="10" aria-hidden="true">
    <rect class="track" width="80" height="10" />
    <rect class="fill" width={Math.max(1, 80 * Math.min(1, share))} height="10" />
  </svg>
);
