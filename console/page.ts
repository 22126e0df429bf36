export interface Asset {
  type: string;
  body: string;
}

/** The same page, which knows the databases that it can show by their names, the first of which it shows first. */
export function withDatabases(page: Record<string, Asset>, names: readonly string[]): Record<string, Asset> {
  const index = page['/'];
  if (!index) throw new Error('the page has no beginning');
  const body = index.body.replace(
    '"sqltrail-databases" content=""',
    `"sqltrail-databases" content="${names.join(' ')}"`,
  );
  return { ...page, '/': { ...index, body } };
}
