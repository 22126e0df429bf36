import type { DiagLogger } from '@opentelemetry/api';

const WARN_EVERY_MS = 60_000;

/** The SDK writes an error as JSON of all its fields, with a stack; what it says is enough. */
function plain(message: string): string {
  if (!message.startsWith('{')) return message;
  try {
    const { name, message: text, code } = JSON.parse(message) as Record<string, unknown>;
    if (typeof text !== 'string') return message;
    // That of several addresses which all refuse has no text of its own.
    if (text === '') return String(code ?? name);
    return `${code === undefined || text.includes(String(code)) ? (name ?? 'Error') : code}: ${text}`;
  } catch {
    return message;
  }
}

/** Warnings of the SDK on stderr, the same text once a minute at most: a dead collector fails each few seconds. */
export function warnLogger(write: (line: string) => void): DiagLogger {
  const lastAt = new Map<string, number>();
  const warn = (message: string) => {
    const text = plain(message).slice(0, 300);
    const key = text.slice(0, 60);
    if ((lastAt.get(key) ?? -Infinity) > Date.now() - WARN_EVERY_MS) return;
    if (lastAt.size > 100) lastAt.clear();
    lastAt.set(key, Date.now());
    write(`telemetry: ${text}\n`);
  };
  const silent = () => {};
  return { error: warn, warn, info: silent, debug: silent, verbose: silent };
}
