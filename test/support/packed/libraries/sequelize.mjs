import { DataTypes, Sequelize } from 'sequelize';

const NOWHERE = 'postgres://nobody@127.0.0.1:1/nothing';

export async function open(url) {
  const db = new Sequelize(url, { dialect: 'postgres', logging: false, pool: { max: 3 } });
  const Thing = db.define('thing', { name: DataTypes.TEXT }, { tableName: 'things', timestamps: false });
  return {
    things: (id) => Thing.findAll({ where: { id }, raw: true }),
    fail: () => db.query('SELECT nothing FROM things'),
    forget() {
      const pool = { max: 1, acquire: 1_000 };
      new Sequelize(NOWHERE, { dialect: 'postgres', logging: false, pool }).connectionManager.pool.acquire();
    },
    close: () => db.close(),
  };
}
