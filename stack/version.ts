/** The version in the first line of a text, such as `3.15.0` in `prometheus, version 3.15.0 (branch: HEAD)`. */
export const versionIn = (text: string): string | undefined =>
  /\d+(?:\.\d+)+/.exec(text.split('\n', 1)[0] ?? '')?.[0];

/** Whether a version is not older than another; one that is not known is older. */
export function atLeast(version: string | undefined, oldest: string): boolean {
  if (version === undefined) return false;
  const numbers = version.split('.').map(Number);
  for (const [at, least] of oldest.split('.').map(Number).entries()) {
    const number = numbers[at] ?? 0;
    if (number !== least) return number > least;
  }
  return true;
}
