/**
 * The first `most` characters of a text. The copy through a buffer matters: V8's slice keeps the whole original alive,
 * and a bound on what is kept would be a fiction.
 */
export function cut(text: string, most: number): string {
  return text.length <= most ? text : Buffer.from(text.slice(0, most), 'utf8').toString('utf8');
}
