/** The databases of this console; the first one is shown where none was chosen. */
export const databases: readonly string[] = (
  document.querySelector<HTMLMetaElement>('meta[name="sqltrail-databases"]')?.content ?? ''
)
  .split(' ')
  .filter(Boolean);

// Of this tab only: another tab may show another one.
const KEY = 'sqltrail.database';
const kept = sessionStorage.getItem(KEY);
export const shownDatabase = kept !== null && databases.includes(kept) ? kept : databases[0];

/** Shows another database, from the beginning: nothing of the last one may stay on the page. */
export function showDatabase(name: string): void {
  sessionStorage.setItem(KEY, name);
  location.reload();
}

const isFirst = shownDatabase === databases[0];

/** The topic that tells of the database that is shown. */
export const topicOf = (name: string): string =>
  !isFirst && (name === 'actions' || name === 'diagnosis') ? `${name}@${shownDatabase}` : name;

/** A path of the API, about the database that is shown. */
export const ofShown = (path: string): string =>
  isFirst
    ? path
    : `${path}${path.includes('?') ? '&' : '?'}database=${encodeURIComponent(shownDatabase ?? '')}`;
