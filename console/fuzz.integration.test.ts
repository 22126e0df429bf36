import { expect, it } from 'vitest';
import { fuzzConsole } from '../test/fuzz/console.ts';

// The hour: npm run fuzz:console -- --minutes 60
it('lives, answers and keeps its bounds, whatever it is sent', async () => {
  const report = await fuzzConsole({
    durationMs: Number(process.env['SQLTRAIL_FUZZ_SECONDS'] ?? 8) * 1_000,
    seed: Number(process.env['SQLTRAIL_FUZZ_SEED'] ?? 20_261_130),
    perSecond: 1_000,
    heapMb: 144,
    tracesMb: 64,
  });
  expect(report.faults).toEqual([]);
  expect(report.inputs).toBeGreaterThanOrEqual(100);
  expect(report.maxHeapMb).toBeLessThan(144);
});
