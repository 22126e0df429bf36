import type { Action } from '../../remediation/action.ts';
import { applyShortTerm } from '../../remediation/shortTerm.ts';

/** A process of its own, for tests that kill it. */
await applyShortTerm({
  url: process.env['TEST_URL'] ?? '',
  actions: [JSON.parse(process.env['TEST_ACTION'] ?? '{}') as Action],
  windows: 0,
  windowMs: 500,
  reviewDays: 30,
  signal: new AbortController().signal,
  onEvent: () => {},
});
