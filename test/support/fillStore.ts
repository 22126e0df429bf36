// Fills a trace store in a process of its own, and prints what it says that it takes beside what the heap took.
// node --expose-gc fillStore.ts <shape> <maxBytes>
import { parseOtlp } from '../../console/traces/otlp.ts';
import { TraceStore } from '../../console/traces/store.ts';
import { requestOf } from './traceShapes.ts';

const [shape = '', maxBytes = ''] = process.argv.slice(2);
const { gc } = globalThis;
if (!gc) throw new Error('run it with --expose-gc');
/** Once the engine has dropped what it keeps for a while: code that is not used any more, and shapes of objects. */
const heap = () => {
  for (let i = 0; i < 8; i += 1) gc();
  return process.memoryUsage().heapUsed;
};
const BATCH = 50;
let store: TraceStore | undefined = new TraceStore({ maxTraces: 1_000_000, maxBytes: Number(maxBytes) });
let from = 0;
const fill = (into: TraceStore) => {
  into.add(parseOtlp(JSON.parse(JSON.stringify(requestOf(shape, from, from + BATCH)))).spans);
  from += BATCH;
};
while (store.evicted === 0) fill(store);
// As much once more: what is pushed out must be gone from the heap too.
for (const end = from * 2; from < end; ) fill(store);
const counted = store.bytes;
const traces = store.size;
const full = heap();
store = undefined;
process.stdout.write(`${JSON.stringify({ spans: from, traces, counted, used: full - heap() })}\n`);
