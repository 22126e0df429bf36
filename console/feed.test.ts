import { afterEach, expect, it } from 'vitest';
import { waitFor } from '../lib/waitFor.ts';
import { PATIENCE_MS } from '../test/support/patience.ts';
import { serve } from '../test/support/serve.ts';
import { Feed } from './feed.ts';
import { SourceUnavailable } from './problem.ts';

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A feed of two topics on a port, and what a reader of it gets. */
async function start() {
  const state = { beating: 1, still: 'a', beatingReads: 0, stillReads: 0, away: false };
  const logged: string[] = [];
  const feed = new Feed(
    {
      beating: {
        beats: 1,
        read: async () => {
          state.beatingReads += 1;
          if (state.away) throw new SourceUnavailable('Prometheus', 'away', 'start it');
          return state.beating;
        },
      },
      still: {
        beats: 0,
        read: () => {
          state.stillReads += 1;
          return state.still;
        },
      },
    },
    20,
    (message) => logged.push(message),
  );
  const { url, close } = await serve(feed.handler);
  closers.push(close, () => feed.close());
  const read = async () => {
    const ending = new AbortController();
    closers.push(() => ending.abort());
    const response = await fetch(url, { signal: ending.signal });
    const events: { topic: string; data: unknown }[] = [];
    void (async () => {
      let text = '';
      for await (const chunk of response.body ?? []) {
        text += Buffer.from(chunk).toString();
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          const [, topic = '', data = ''] = /^event: (.*)\ndata: (.*)$/s.exec(text.slice(0, end)) ?? [];
          events.push({ topic, data: JSON.parse(data) });
          text = text.slice(end + 2);
        }
      }
    })().catch(() => {});
    return { events, end: () => ending.abort() };
  };
  const seen = (events: { topic: string; data: unknown }[], topic: string) =>
    events.filter((event) => event.topic === topic).map(({ data }) => data);
  return { state, feed, read, seen, logged };
}

const soon = (what: string, condition: () => boolean) =>
  waitFor(what, condition, { deadlineMs: PATIENCE_MS, everyMs: 5 });

it('sends each topic at first, then only what has changed, with one reading for all', async () => {
  const { state, read, seen } = await start();
  const [first, second] = [await read(), await read()];
  await soon('both have all', () =>
    [first, second].every(
      ({ events }) => seen(events, 'still').length > 0 && seen(events, 'beating').length > 0,
    ),
  );
  await soon('beats', () => seen(first.events, 'beat').length > 5);
  expect(seen(first.events, 'beating')).toEqual([{ data: 1 }]);
  state.beating = 2;
  await soon('the change', () => seen(first.events, 'beating').length > 1);
  expect(seen(first.events, 'beating')).toEqual([{ data: 1 }, { data: 2 }]);
  expect(state.stillReads).toBe(1);
});

it('tells a change at once, and a late reader gets the last', async () => {
  const { state, feed, read, seen } = await start();
  const first = await read();
  await soon('the topic', () => seen(first.events, 'still').length > 0);
  state.still = 'b';
  feed.changed('still');
  await soon('the change', () => seen(first.events, 'still').length > 1);
  const late = await read();
  await soon('the last', () => seen(late.events, 'still').length > 0);
  expect(seen(late.events, 'still')).toEqual([{ data: 'b' }]);
});

it('an unavailable source is a fault of its own topic, and nothing is read while nobody looks', async () => {
  const { state, feed, read, seen, logged } = await start();
  state.away = true;
  const reader = await read();
  await soon('the fault', () => seen(reader.events, 'beating').length > 0);
  expect(seen(reader.events, 'beating')[0]).toMatchObject({
    fault: { source: 'Prometheus', nextStep: 'start it' },
  });
  await soon('the other topic', () => seen(reader.events, 'still').length > 0);
  expect(logged).toEqual([]);
  reader.end();
  await soon('nobody looks', () => feed.readers === 0);
  state.away = false;
  const again = await read();
  await soon('the value', () => seen(again.events, 'beating').length > 0);
  expect(seen(again.events, 'beating')[0]).toEqual({ data: 1 });
});

it('a source that does not answer keeps no other topic waiting', async () => {
  let beating = 0;
  const feed = new Feed(
    {
      beating: {
        beats: 1,
        read: async () => {
          beating += 1;
          return beating;
        },
      },
      hanging: { beats: 1, read: () => new Promise(() => {}) },
    },
    20,
    () => {},
  );
  const { url, close } = await serve(feed.handler);
  closers.push(close, () => feed.close());
  const ending = new AbortController();
  closers.push(() => ending.abort());
  const response = await fetch(url, { signal: ending.signal });
  void (async () => {
    for await (const _ of response.body ?? []);
  })().catch(() => {});
  await waitFor('the other topic to be read again and again', () => beating > 5, {
    deadlineMs: PATIENCE_MS,
  });
});
