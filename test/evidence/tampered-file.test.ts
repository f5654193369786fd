import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { verifyLog } from '../../src/cli/verify-sources.ts';
import { NO_TRUST } from './bundles.ts';
import { type Case, cleanLog, tampered, tamperings } from './campaign.ts';
import { writeEvidence, writeLog } from './log-files.ts';

// npm run campaign:tamper has more.
const RUNS = Number(process.env['TAMPER_RUNS'] ?? 3);

const folder = mkdtempSync(join(tmpdir(), 'tampered-'));
afterAll(() => rmSync(folder, { recursive: true }));
let directories = 0;

/** What the verifier says to a data directory: somebody with the log alone left the tree as it was, an insider made it anew. */
const reportOn = async ({ shown, tree, checkpoint, trust }: Case) => {
  directories += 1;
  const dataDir = join(folder, `${directories}`);
  mkdirSync(dataDir);
  const file = join(dataDir, 'log.sqlite');
  writeLog(
    file,
    shown.map(({ event }, index) => ({ ...event, position: index + 1 })),
  );
  await writeEvidence(
    join(dataDir, 'evidence.sqlite'),
    tree.map(({ event }) => event),
    checkpoint,
  );
  const { report } = await verifyLog(file, { ...NO_TRUST, ...trust }, null, { progress() {}, fact() {} });
  rmSync(dataDir, { recursive: true });
  return report;
};

describe('the verifier of a log in a file', () => {
  test(`finds nothing in ${RUNS} that nobody touched`, async () => {
    for (let seed = 0; seed < RUNS; seed += 1) expect([seed, (await reportOn(await cleanLog(seed))).doubts]).toEqual([seed, []]);
  });

  for (const { name, who } of tamperings)
    test(`finds and locates: ${name}, ${who}`, async () => {
      for (let seed = 0; seed < RUNS; seed += 1) {
        const given = await tampered(name, who, seed);
        const { changedAt, anchor, shown } = given;
        const { verdict, first, doubts } = await reportOn(given);
        expect([seed, verdict]).toEqual([seed, 'doubt']);
        if (changedAt === null) {
          expect([seed, doubts.map(({ rule }) => rule)]).toEqual([seed, ['N1']]);
          continue;
        }
        expect([seed, (first ?? Number.NaN) <= changedAt]).toEqual([seed, true]);
        expect([seed, (first ?? Number.NaN) >= anchor]).toEqual([seed, true]);
        // The tree that nobody changed shows the fact itself, where there is one in its place.
        const other = doubts.filter(({ rule }) => rule === 'T4').map(({ index }) => index);
        if (who === 'naive' && changedAt < shown.length) expect([seed, other]).toEqual([seed, [changedAt]]);
      }
    });
});
