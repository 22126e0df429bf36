import type pg from 'pg';
import type { TableDescription } from './description.ts';
import { commonNotes } from './notes.ts';
import { formsText } from './proof.ts';
import type { Retyped } from './retyped.ts';

/** What the reader of a plan should know before it is started. */
export async function retypeNotes(
  client: pg.ClientBase,
  d: TableDescription,
  columns: readonly Retyped[],
  views: readonly string[],
  conflicts: string,
): Promise<string[]> {
  const notes: string[] = [];
  for (const { column, from, to, conversion, proof, widening } of columns) {
    notes.push(
      widening
        ? `${column} becomes ${to}: every ${from} value is valid as ${to}. After the cutover, rows with larger numbers prevent a rollback.`
        : `${column} becomes ${to}${conversion.form ? ` (${conversion.form})` : ''}: all ${proof?.values} values were converted there and back.`,
    );
    if (proof && proof.changed.values > 0)
      notes.push(
        `After a rollback, these values of ${column} would be different: ${formsText(proof.changed)}.`,
      );
    if (!widening)
      notes.push(
        `From the cutover on, readers of ${column} get a ${to}, and statements that treat it as ${from} (such as LIKE, or a comparison with text in a parameter of a fixed type) fail. Try the application with the new type first.`,
      );
    if (!widening && from === 'money')
      notes.push(
        `${column} is read as the currency of lc_monetary prints it, which is the database's own now.`,
      );
  }
  if (columns.some(({ widening }) => !widening))
    notes.push(
      `A write that comes meanwhile and cannot be converted does not fail: its key is kept in ${conflicts}, and the cutover is refused while there is one. After the cutover the same holds for a rollback.`,
    );
  if (views.length > 0)
    notes.push(`These views show the column and are made anew at the cutover: ${views.join(', ')}.`);
  for (const { name } of d.publications)
    notes.push(
      `Subscribers of the publication ${name} get the new type's text from the cutover on: change their column too, and ALTER SUBSCRIPTION ... REFRESH PUBLICATION there.`,
    );
  return [...notes, ...(await commonNotes(client, d))];
}
