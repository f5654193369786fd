import { describe, expect, test } from '@jest/globals';
import { verified } from './bundles.ts';
import { cleanLog, KEPT_EACH, tampered, tamperings } from './campaign.ts';

// npm run campaign:tamper has more.
const CLEAN = Number(process.env['CLEAN_RUNS'] ?? 30);
const RUNS = Number(process.env['TAMPER_RUNS'] ?? 10);

describe('the verifier', () => {
  test(`finds nothing in ${CLEAN} logs that nobody touched`, async () => {
    for (let seed = 0; seed < CLEAN; seed += 1) {
      const { bytes, trust } = await cleanLog(seed);
      expect([seed, verified(bytes, trust).doubts]).toEqual([seed, []]);
    }
  });

  for (const { name, who } of tamperings)
    test(`finds, and locates between the checkpoints that were kept: ${name}, ${who}`, async () => {
      for (let seed = 0; seed < RUNS; seed += 1) {
        const { bytes, trust, changedAt, anchor, isDense } = await tampered(name, who, seed);
        const { verdict, first, doubts } = verified(bytes, trust);
        expect([seed, verdict]).toEqual([seed, 'doubt']);
        if (changedAt === null) {
          // Only the key is another one.
          expect([seed, doubts.map(({ rule }) => rule)]).toEqual([seed, ['N1', 'N4']]);
          continue;
        }
        expect([seed, (first ?? Number.NaN) <= changedAt]).toEqual([seed, true]);
        expect([seed, (first ?? Number.NaN) >= anchor]).toEqual([seed, true]);
        if (isDense) expect([seed, changedAt - (first ?? Number.NaN) <= KEPT_EACH]).toEqual([seed, true]);
      }
    });

  test('finds each flipped bit in the bytes of a bundle', async () => {
    for (let seed = 0; seed < RUNS * 4; seed += 1) {
      const { bytes, trust } = await cleanLog(seed % 8);
      const at = (seed * 7919 + seed * seed * 104_729) % (bytes.length - 1);
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] as number) ^ (1 << (seed % 8));
      const line = bytes.subarray(0, at).filter((byte) => byte === 0x0a).length;
      const { verdict, first } = verified(changed, trust);
      expect([seed, at, verdict]).toEqual([seed, at, 'doubt']);
      if (line > 0) expect([seed, at, (first ?? Number.NaN) < line]).toEqual([seed, at, true]);
    }
  });
});
