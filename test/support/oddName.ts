import fc from 'fast-check';

/** Names that have to be quoted, plain ones, and `own`: those that meet what the tested SQL itself names. */
export const oddName = (...own: string[]) =>
  fc.oneof(
    fc.constantFrom(...own, 'Größe', 'a.b', 'x"y', "it's", '$1', 'таблица', 'a'.repeat(63), ' '),
    fc.stringMatching(/^[a-z][a-z0-9_]{0,12}$/),
  );
