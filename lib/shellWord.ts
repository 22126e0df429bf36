/** A word of a command line, as a shell takes it; in quotes only where it needs them. */
export const shellWord = (word: string): string =>
  /^[\w.,/:=+@-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
