import pg from 'pg';
import { expect, inject, it } from 'vitest';
import { adviseOnPool, readPools } from './pool.ts';

it('sees how many connections of an application are busy, and what the server has left', async () => {
  const application_name = `app ${crypto.randomUUID()}`;
  const pool = new pg.Pool({ connectionString: inject('postgresUrl'), max: 4, application_name });
  const ended = new AbortController();
  try {
    await Promise.all(Array.from({ length: 4 }, () => pool.query('SELECT pg_sleep(0.1)')));
    const busy = (async () => {
      while (!ended.signal.aborted) await pool.query('SELECT pg_sleep(0.2)');
    })();
    const seen = await readPools({ url: inject('postgresUrl'), signal: new AbortController().signal });
    ended.abort();
    await busy;
    const sample = seen.find(({ application }) => application === application_name);
    expect(sample).toMatchObject({ connections: 4, scarce: false });
    // One statement after another: one connection is busy, but for the moments between.
    expect(sample?.busy).toBeGreaterThan(0.5);
    expect(sample?.busy).toBeLessThanOrEqual(1);
    expect(sample?.available).toBeGreaterThan(4);
    expect(sample && adviseOnPool(sample).reason).toMatch(/of 4 connections busy on average/);
  } finally {
    ended.abort();
    await pool.end();
  }
});
