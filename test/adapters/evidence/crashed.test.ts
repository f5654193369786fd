import { generateKeyPairSync } from 'node:crypto';
import { afterEach, describe, expect, test } from '@jest/globals';
import { inMemoryEventStore } from '../../../src/adapters/event-store/in-memory.ts';
import { type Chain, type CheckpointRecords, type Standing, standingText } from '../../../src/adapters/evidence/checkpoints.ts';
import { witnessesOf } from '../../../src/adapters/evidence/cosigning.ts';
import { inMemoryRecords } from '../../../src/adapters/shared/records.ts';
import { partsOfNote, signatureLines } from '../../../src/evidence/note.ts';
import { witnessSigner } from '../../../src/evidence/note-key.ts';
import { covered, expectOneChain, freshFile, type KeptLog, keepLog, record, rootOver, until } from './keeping.ts';

const stops: KeptLog['stop'][] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

/** A witness that cosigns whatever it is brought. */
const willing = () => {
  const signer = witnessSigner('w1.example', generateKeyPairSync('ed25519').privateKey, () => 1_795_000_000);
  const cosign = async ({ note }: { note: string }) => signatureLines(partsOfNote(note).text, [signer]);
  return witnessesOf([{ name: 'w1.example', cosign }], { quorum: 1, onFault: () => undefined });
};

/** Where a node ends: at its first write that `at` is true of, before or behind what that keeps. It never learns of anything again. */
interface End {
  when: 'before' | 'behind';
  at(next: Standing): boolean;
}

const ENDS: Record<string, End> = {
  'between keeping its tree and writing the checkpoint': { when: 'before', at: ({ newest }) => newest.size > 5 },
  'between writing the checkpoint and keeping it here': { when: 'behind', at: ({ newest }) => newest.size > 5 },
  'between the answer of a witness and writing that': { when: 'before', at: ({ cosigned }) => cosigned !== null },
  'behind writing the answer of a witness': { when: 'behind', at: ({ cosigned }) => cosigned !== null },
};

/** A chain that tells what was kept, and one that ends. */
const told = (published: string[]) => {
  const telling = (chain: Chain): Chain => ({
    ...chain,
    async write(next, seen) {
      const kept = await chain.write(next, seen);
      if (kept !== null && next.newest.size !== seen?.standing.newest.size) published.push(standingText(next));
      return kept;
    },
  });
  const ending =
    ({ when, at }: End, over: () => void) =>
    (chain: Chain): Chain => ({
      ...chain,
      async write(next, seen) {
        if (!at(next)) return telling(chain).write(next, seen);
        if (when === 'behind') await telling(chain).write(next, seen);
        over();
        return new Promise(() => undefined);
      },
    });
  return { telling, ending };
};

describe.each(Object.entries(ENDS))('a node that ends %s', (_, end) => {
  test.each([
    ['in its own file', () => undefined],
    ['in records that nodes share', inMemoryRecords],
  ] as [string, () => CheckpointRecords | undefined][])('leaves one chain and loses nothing, with checkpoints %s', async (_kind, make) => {
    const store = inMemoryEventStore();
    const [file, records, published] = [freshFile(), make(), [] as string[]];
    const { telling, ending } = told(published);
    const options = { file, ...(records !== undefined && { records }) };
    let isOver = false;
    const first = keepLog(store, {
      ...options,
      witnesses: willing(),
      through: ending(end, () => {
        isOver = true;
      }),
    });
    await record(store, 5);
    await until(async () => isOver || (await first.chain.newest())?.standing.newest.size === 5);
    await record(store, 300);
    await until(() => isOver);
    const before = published.length;
    await record(store, 10);

    const second = keepLog(store, { ...options, witnesses: willing(), through: telling });
    stops.push(second.stop);
    await covered(second, 315);
    await until(async () => (await second.evidence.cosigned()) !== null);
    await record(store, 5);
    await covered(second, 320);
    expect((await second.evidence.checkpoint())?.root).toEqual(await rootOver(store, 320));
    expect([second.faults, second.evidence.state().fault]).toEqual([[], null]);
    expect(published.length).toBeGreaterThan(before);
    expectOneChain(published, second);
  });
});
