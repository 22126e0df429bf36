// Fills a trace store in a process of its own, and prints what it says that it takes beside what the heap took.
// node --expose-gc fillStore.ts <shape> <maxBytes>
import { parseOtlp } from '../../console/traces/otlp.ts';
import { TraceStore } from '../../console/traces/store.ts';
import { requestOf } from './traceShapes.ts';

const [shape = '', maxBytes = ''] = process.argv.slice(2);
const { gc } = globalThis;
if (!gc) throw new Error('run it with --expose-gc');
const heap = () => {
  for (let i = 0; i < 2; i += 1) gc();
  return process.memoryUsage().heapUsed;
};
const fill = (store: TraceStore, from: number) =>
  store.add(parseOtlp(JSON.parse(JSON.stringify(requestOf(shape, from, from + BATCH)))).spans);
const BATCH = 50;

// What code and caches of the engine take is there before it is measured.
fill(new TraceStore(), 0);
const before = heap();
const store = new TraceStore({ maxTraces: 1_000_000, maxBytes: Number(maxBytes) });
let from = 0;
for (; store.evicted === 0; from += BATCH) fill(store, from);
const full = { counted: store.bytes, used: heap() - before };
// As much once more: what is pushed out must be gone from the heap too.
for (const end = from * 2; from < end; from += BATCH) fill(store, from);
const after = { counted: store.bytes, used: heap() - before };
process.stdout.write(`${JSON.stringify({ spans: from, traces: store.size, full, after })}\n`);
