/** How far the story goes: what broke, the relief, or the new data model as well. */
export const acts = ['breakdown', 'relief', 'medium-term'] as const;
export type Act = (typeof acts)[number];
