import { DataTypes, Sequelize } from 'sequelize';

export async function open(url) {
  const db = new Sequelize(url, { dialect: 'postgres', logging: false, pool: { max: 3 } });
  const Thing = db.define('thing', { name: DataTypes.TEXT }, { tableName: 'things', timestamps: false });
  return {
    things: (id) => Thing.findAll({ where: { id }, raw: true }),
    fail: () => db.query('SELECT nothing FROM things'),
    close: () => db.close(),
  };
}
