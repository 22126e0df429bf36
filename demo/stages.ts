/** How far the story goes: what broke, the short-term fixes, or the new data model as well. */
export const stages = ['breakdown', 'mitigation', 'medium-term'] as const;
export type Stage = (typeof stages)[number];
