/** A list of columns as Prisma selects them: schema and table before each name. */
export const columns = (table: string, ...names: string[]): string =>
  names.map((name) => `"public"."${table}"."${name}"`).join(', ');
