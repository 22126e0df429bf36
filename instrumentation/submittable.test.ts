import { EventEmitter } from 'node:events';
import { ROOT_CONTEXT } from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import { type Submittable, watchSubmittable } from './submittable.ts';

/** As pg-native's query (pg/lib/native/query.js), which has to be compiled where it runs. */
class NativeQuery extends EventEmitter {
  submit(): void {}
  handleError(error: Error & { code?: string }): void {
    // It takes the SQLSTATE from the connection only now.
    error.code = '42601';
    this.emit('error', error);
  }
}

function watched(query: Submittable) {
  const ends: unknown[] = [];
  watchSubmittable(query, ROOT_CONTEXT, (error) => ends.push(error));
  return ends;
}

describe('a query of pg-native', () => {
  it('is over when it says so', () => {
    const query = new NativeQuery();
    const ends = watched(query as unknown as Submittable);
    expect(ends).toEqual([]);
    query.emit('_done');
    expect(ends).toEqual([undefined]);
  });

  it('has failed with the code that its own handler adds, also when nobody listens', () => {
    const query = new NativeQuery();
    const ends = watched(query as unknown as Submittable);
    expect(() => query.handleError(new Error('ERROR:  syntax error'))).toThrow('syntax error');
    expect(ends).toMatchObject([{ code: '42601' }]);
  });
});
