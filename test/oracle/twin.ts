import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { BundledFact } from '../../src/evidence/bundle.ts';
import type { Report } from '../../src/evidence/verify.ts';
import { ALLOWED } from '../evidence/allowed.ts';
import { bundleCases } from '../evidence/bundle-cases.ts';
import { bundleOf, consistencyOf, factsOf, factsOfConsent, headOf, newSigner, verified, withProofs } from '../evidence/bundles.ts';
import { type Case, cleanLog, tampered, tamperings } from '../evidence/campaign.ts';
import { forgeries, madeBy } from '../evidence/forgeries.ts';
import { makeHistory, randomFrom } from '../evidence/histories.ts';

// npm run campaign:tamper has more.
const CLEAN = Number(process.env['CLEAN_RUNS'] ?? 30);
const RUNS = Number(process.env['TAMPER_RUNS'] ?? 3);

/** A Python that has the package `cryptography`. */
const pythonHere = (): string => {
  for (const python of ['python3', '/usr/bin/python3']) {
    try {
      execFileSync(python, ['-c', 'import cryptography'], { stdio: 'ignore' });
      return python;
    } catch {
      // The next one may have it.
    }
  }
  throw new Error('these tests need Python 3 with the package cryptography (python3-cryptography)');
};

describe('the verifier in Python, which was written from docs/verify.md,', () => {
  const directory = mkdtempSync(join(tmpdir(), 'twin-'));
  let ask: (request: object) => Promise<{ verdict: string; doubts: [string, number | null][] }>;
  let end: () => void;

  beforeAll(() => {
    const script = join(import.meta.dirname, 'verify.py');
    const twin = spawn(pythonHere(), [script, join(import.meta.dirname, '../../docs/verify.md')], { stdio: ['pipe', 'pipe', 'inherit'] });
    const answers = createInterface({ input: twin.stdout })[Symbol.asyncIterator]();
    ask = async (request) => {
      twin.stdin.write(`${JSON.stringify(request)}\n`);
      const { value, done } = await answers.next();
      if (done) throw new Error('the verifier in Python has ended');
      return JSON.parse(value);
    };
    end = () => twin.kill();
  });
  afterAll(() => {
    end();
    rmSync(directory, { recursive: true });
  });

  const placesIn = (doubts: readonly (readonly [string, number | null])[]) =>
    [...new Set(doubts.map(([rule, index]) => `${rule} ${index}`))].sort();

  const agree = async (what: string, { bytes, trust }: Pick<Case, 'bytes' | 'trust'>): Promise<Report> => {
    const bundle = join(directory, 'bundle.jsonl');
    writeFileSync(bundle, bytes);
    const kept = (trust.kept ?? []).map(({ note }, at) => {
      const file = join(directory, `kept-${at}`);
      writeFileSync(file, note);
      return file;
    });
    const { key, witnesses = [], quorum = 0 } = trust;
    const ours = verified(bytes, trust);
    const theirs = await ask({ bundle, kept, witnesses, quorum, ...(key != null && { key }) });
    const places = ours.doubts.map(({ rule, index }) => [rule, index] as const);
    expect([what, theirs.verdict, placesIn(theirs.doubts)]).toEqual([what, ours.verdict, placesIn(places)]);
    return ours;
  };

  test(`agrees on ${CLEAN} logs`, async () => {
    for (let seed = 0; seed < CLEAN; seed += 1) {
      const { verdict } = await agree(`log ${seed}`, await cleanLog(seed));
      expect(verdict).toBe('no doubt');
    }
  });

  test('agrees on the facts of each consent, and with a flipped byte in them', async () => {
    const facts = factsOf(await makeHistory(11, 20));
    const signer = newSigner();
    const random = randomFrom(1);
    for (const consent of new Set(facts.map(({ event }) => event.correlationId))) {
      const head = { ...headOf(facts, signer), consent, consistency: [consistencyOf(facts, 7)] };
      const chosen = withProofs(factsOfConsent(facts, consent), facts);
      const bytes = bundleOf(head, chosen);
      expect((await agree(consent, { bytes, trust: {} })).verdict).toBe('no doubt');
      const at = Math.floor(random() * bytes.length);
      bytes[at] = (bytes[at] as number) ^ 1;
      if (bytes[at] !== 0x0a) await agree(`${consent} ${at}`, { bytes, trust: {} });
    }
  });

  test('agrees on bundles of ranges and consents, with kept checkpoints, witnesses, and parts that were taken away', async () => {
    for (const { name, bytes, trust } of await bundleCases()) await agree(name, { bytes, trust });
  });

  for (const { name, who } of tamperings)
    test(`agrees on: ${name}, ${who}`, async () => {
      for (let seed = 0; seed < RUNS; seed += 1) await agree(`${name} ${seed}`, await tampered(name, who, seed));
    });

  test('agrees on what an insider forges who signs all of it anew, and nobody kept a checkpoint', async () => {
    const signer = newSigner();
    for (const { name, facts } of await forgeries()) {
      const forged: readonly BundledFact[] = facts;
      const { verdict } = await agree(name, { bytes: bundleOf(headOf(forged, signer), forged), trust: {} });
      expect([name, verdict]).toEqual([name, 'doubt']);
    }
  }, 120_000);

  test('agrees on what no rule is against', async () => {
    const signer = newSigner();
    for (const { name, facts } of await madeBy(ALLOWED)) await agree(name, { bytes: bundleOf(headOf(facts, signer), facts), trust: {} });
  });

  test('agrees on flipped bits of a bundle', async () => {
    const random = randomFrom(2);
    for (let seed = 0; seed < RUNS * 10; seed += 1) {
      const { bytes, trust } = await cleanLog(seed % 8);
      const at = Math.floor(random() * (bytes.length - 1));
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] as number) ^ (1 << Math.floor(random() * 8));
      await agree(`bit at ${at} of log ${seed % 8}`, { bytes: changed, trust });
    }
  });
});
