import { createHash } from 'node:crypto';

export type Half = 'development' | 'held-out';

/** By the first bit of the name's SHA-256, so that nobody chooses: 1 is for development, 0 is held out. */
export const halfOf = (name: string): Half =>
  ((createHash('sha256').update(name).digest()[0] ?? 0) & 0x80) === 0 ? 'held-out' : 'development';
