import fc from 'fast-check';
import { expect, it } from 'vitest';
import { verifyMigration } from '../../migrate/engine.ts';
import { differences } from '../../migrate/verify.ts';
import { anyMoment, anyZone } from '../../test/support/dates.ts';
import { createMigratedShop } from '../../test/support/migration.ts';
import { propertyRuns } from '../../test/support/property.ts';

/** Of pg_get_expr, in UTC. */
const BOUNDS = /^FOR VALUES FROM \('(\d{4}-\d\d)-01 00:00:00\+00'\) TO \('(\d{4}-\d\d)-01 00:00:00\+00'\)$/;

it('each order is in the month of UTC at which it was placed, whatever the dates kept as text say where', async () => {
  await fc.assert(
    fc.asyncProperty(
      anyZone,
      fc.array(anyMoment, { minLength: 12, maxLength: 12 }),
      async (zone, moments) => {
        const shop = await createMigratedShop(moments.length, undefined, zone);
        try {
          // As the legacy shop writes them: the clock of its zone, which shows some times twice.
          const texts = moments.map((moment) =>
            new Date(Math.min(moment.getTime(), Date.now())).toLocaleString('sv-SE', { timeZone: zone }),
          );
          await shop.owner.query(
            `UPDATE orders SET placed_at = said FROM unnest($1::text[]) WITH ORDINALITY AS new (said, place)
             JOIN (SELECT id, row_number() OVER (ORDER BY id) AS place FROM orders) AS o USING (place) WHERE orders.id = o.id`,
            [texts],
          );
          await shop.run('verify');
          expect(differences(await verifyMigration(shop.options))).toEqual([]);
          const session = await shop.owner.connect();
          await session.query("SET TimeZone = 'UTC'");
          const { rows } = await session.query<{ bound: string; months: string[] }>(
            `SELECT pg_get_expr(c.relpartbound, c.oid) AS bound,
                  ARRAY(SELECT DISTINCT to_char(placed_at, 'YYYY-MM') FROM shop.orders WHERE tableoid = c.oid) AS months
             FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid WHERE i.inhparent = 'shop.orders'::regclass`,
          );
          session.release(true);
          expect(rows.flatMap(({ months }) => months).length).toBeGreaterThan(0);
          for (const { bound, months } of rows) {
            const [, from, to] = BOUNDS.exec(bound) ?? [];
            expect(from && to, bound).toBeTruthy();
            const next = new Date(`${from}-01T00:00:00Z`);
            next.setUTCMonth(next.getUTCMonth() + 1);
            expect(to).toBe(next.toISOString().slice(0, 7));
            expect([[], [from]]).toContainEqual(months);
          }
        } finally {
          await shop.close();
        }
      },
    ),
    { numRuns: propertyRuns(3) },
  );
});
