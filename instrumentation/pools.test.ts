import { describe, expect, it } from 'vitest';
import { baseName } from './pools.ts';

describe('a pool without a name of its own', () => {
  it.each([
    [{ connectionString: 'postgres://u:p@db.example:5433/shop?sslmode=disable' }, 'db.example:5433/shop'],
    [{ connectionString: 'postgres://u:p%40x@db.example/a%zz' }, 'db.example:5432/a%zz'],
    [{ connectionString: 'postgres://u:p@ss@db.example/shop' }, 'db.example:5432/shop'],
    [{ connectionString: 'postgres://u@srv:secret@srv.example/shop#x' }, 'srv.example:5432/shop'],
    [{ connectionString: 'postgres://u@h1:5432,h2:5433/shop' }, 'h1:5432,h2:5433/shop'],
    [{ connectionString: 'postgres:///shop?host=/run/postgresql' }, '/run/postgresql:5432/shop'],
    [{ connectionString: 'postgres://%2Frun%2Fpostgresql/shop' }, '/run/postgresql:5432/shop'],
    [{ connectionString: '/run/postgresql shop' }, '/run/postgresql:5432/shop'],
    [{ connectionString: 'postgres://[::1]:5433/sh%C3%B6p' }, '[::1]:5433/shöp'],
    [{ host: 'db', port: 6432, database: 'shop' }, 'db:6432/shop'],
    [{ user: 'anna' }, 'localhost:5432/anna'],
    [{}, 'localhost:5432/'],
  ])('%j is called %s', (options, name) => {
    expect(baseName({ max: 1, ...options }, {})).toBe(name);
  });

  it('takes what libpq takes from the environment', () => {
    expect(baseName({ max: 1 }, { PGHOST: 'db', PGPORT: '6432', PGDATABASE: 'shop' })).toBe('db:6432/shop');
    expect(baseName({ max: 1, connectionString: 'postgres:///' }, { PGHOST: 'db', PGUSER: 'anna' })).toBe(
      'db:5432/anna',
    );
  });
});
