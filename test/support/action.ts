import type { Action } from '../../fix/action.ts';

/** An action that does nothing, but for what is given. */
export const testAction = (more: Partial<Action>): Action => ({
  id: 'settings:x',
  kind: 'settings',
  title: more.id ?? 'an action',
  findings: [],
  reason: 'a test',
  sql: [],
  undo: [],
  lock: '',
  risk: '',
  bytes: null,
  predictedSpeedup: null,
  statements: [],
  index: null,
  temporary: false,
  ...more,
});
