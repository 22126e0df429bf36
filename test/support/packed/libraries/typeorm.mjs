import { DataSource, EntitySchema } from 'typeorm';

const Thing = new EntitySchema({
  name: 'things',
  columns: { id: { type: 'int', primary: true }, name: { type: 'text' } },
});

export async function open(url) {
  const db = new DataSource({ type: 'postgres', url, entities: [Thing], extra: { max: 3 } });
  await db.initialize();
  return {
    things: (id) => db.getRepository(Thing).findBy({ id }),
    fail: () => db.query('SELECT nothing FROM things'),
    close: () => db.destroy(),
  };
}
