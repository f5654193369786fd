import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { BehaviorSubject, of } from 'rxjs';
import { inMemoryEventStore } from '../../../src/adapters/event-store/in-memory.ts';
import { type Witnesses, witnessesOf } from '../../../src/adapters/evidence/cosigning.ts';
import { NoCosignature, type WitnessClient } from '../../../src/adapters/evidence/witness-client.ts';
import { evidenceCheck } from '../../../src/api/operator/readiness.ts';
import { StoreUnavailable } from '../../../src/domain/ports/event-store.ts';
import { openCheckpoint } from '../../../src/evidence/checkpoint.ts';
import type { EvidenceState } from '../../../src/evidence/log.ts';
import { partsOfNote, signatureLines } from '../../../src/evidence/note.ts';
import { parseVerifierKey, witnessSigner } from '../../../src/evidence/note-key.ts';
import { evidenceMetrics } from '../../../src/serve/metrics/evidence.ts';
import { covered, freshFile, keptLogs, record, until } from './keeping.ts';

const { keep, stopAll } = keptLogs();

/** A witness that cosigns whatever it is brought, while it is there. */
const willing = (name: string) => {
  const signer = witnessSigner(name, generateKeyPairSync('ed25519').privateKey, () => 1_795_000_000);
  const state = { isThere: true, asked: 0, objection: null as NoCosignature | null };
  const client: WitnessClient = {
    name,
    async cosign({ note }) {
      state.asked += 1;
      if (state.objection !== null) throw state.objection;
      if (!state.isThere) throw new NoCosignature('refused', `${name} answered 500`);
      return signatureLines(partsOfNote(note).text, [signer]);
    },
  };
  return { client, state, key: signer.verifierKey };
};

const checkOf = (state: EvidenceState, now = Date.now()) => evidenceCheck(state, { now, checkpointMs: 100 });

const CHECKPOINT = { note: 'x/y\n1\nAAAA\n\n— x/y AAAAAAAA\n', size: 1, root: Buffer.alloc(32) };

const world = (quorum: number) => {
  const [one, two] = [willing('w1.example'), willing('w2.example')];
  const faults: string[] = [];
  const clock = { now: 0, published: 1 };
  const witnesses = witnessesOf([one.client, two.client], { quorum, onFault: (what) => faults.push(what), nowMs: () => clock.now });
  return {
    one,
    two,
    faults,
    clock,
    ask: (checkpoint = CHECKPOINT) =>
      witnesses.ask(
        checkpoint,
        () => [],
        async () => clock.published,
      ),
  };
};

describe('witnesses', () => {
  test('are asked once for a checkpoint, and make a note when they are as many as are wanted', async () => {
    const { one, two, ask } = world(2);
    const { by, note } = await ask();
    expect(by.toSorted()).toEqual(['w1.example', 'w2.example']);
    expect(note?.split('\n').filter((line) => line.startsWith('— w'))).toHaveLength(2);
    expect(await ask()).toEqual({ by: [], note, contradiction: null });
    expect([one.state.asked, two.state.asked]).toEqual([1, 1]);
  });

  test('that fail are left alone for longer each time, and asked again then', async () => {
    const { one, two, faults, clock, ask } = world(2);
    two.state.isThere = false;
    expect(await ask()).toEqual({ by: ['w1.example'], note: null, contradiction: null });
    const rests: number[] = [];
    for (let failures = 1; failures <= 6; failures += 1) {
      const [began, asked] = [clock.now, two.state.asked];
      while (two.state.asked === asked) {
        clock.now += 10_000;
        await ask();
      }
      rests.push((clock.now - began) / 1000);
    }
    expect(rests).toEqual([20, 40, 80, 160, 300, 300]);
    expect(new Set(faults)).toEqual(new Set(['witness w2.example']));
    two.state.isThere = true;
    clock.now += 300_000;
    expect((await ask()).note).not.toBeNull();
    expect(one.state.asked).toBe(1);
  });
});

describe('a witness that has seen another log', () => {
  const fork = new NoCosignature('fork', 'w1.example has cosigned another tree of 1 leaves');
  const aheadBy = (leaves: number) => new NoCosignature('ahead', 'w1.example is ahead', { leaves });

  test('is counted until it cosigns, and too many where the others make no quorum', async () => {
    for (const [quorum, isTooMany] of [
      [1, false],
      [2, true],
    ] as const) {
      const { one, clock, ask } = world(quorum);
      one.state.objection = fork;
      expect((await ask()).contradiction).toEqual({ witnesses: ['w1.example'], isTooMany });
      one.state.objection = null;
      one.state.isThere = false;
      clock.now += 20_000;
      // That it is away takes nothing back.
      expect((await ask()).contradiction).toEqual({ witnesses: ['w1.example'], isTooMany });
      expect(one.state.asked).toBe(2);
      one.state.isThere = true;
      clock.now += 300_000;
      expect((await ask()).contradiction).toBeNull();
    }
  });

  test('is not one that is ahead of this node, and not of what others have published', async () => {
    const { one, clock, ask } = world(2);
    clock.published = 7;
    one.state.objection = aheadBy(7);
    expect((await ask()).contradiction).toBeNull();
    one.state.objection = aheadBy(8);
    clock.now += 20_000;
    expect((await ask()).contradiction).toEqual({ witnesses: ['w1.example'], isTooMany: true });
  });

  test.each([
    [1, { ok: true, degraded: true, facts: 5, published: 5 }],
    [2, { ok: false }],
  ])('is told by readiness, with a quorum of %d', async (quorum, expected) => {
    const store = inMemoryEventStore();
    const [one, two] = [willing('w1.example'), willing('w2.example')];
    one.state.objection = aheadBy(1_000);
    const kept = keep(store, { witnesses: witnessesOf([one.client, two.client], { quorum, onFault: () => undefined }) });
    await record(store, 5);
    await covered(kept, 5);
    await until(() => kept.evidence.state().contradiction !== null);
    expect(checkOf(kept.evidence.state())).toEqual({ ...expected, fault: 'a witness has seen another log', witnesses_against: 1 });
    const against = evidenceMetrics(kept.evidence).find(({ name }) => name === 'countersign_evidence_witnesses_against');
    expect(against?.samples()).toEqual([{ value: 1 }]);
    await record(store, 1);
    // It goes on, and ends nothing.
    await covered(kept, 6);
    expect(kept.faults).toEqual([]);
  });
});

describe('what is published of a log', () => {
  const witnessed = (client: WitnessClient) => ({ witnesses: witnessesOf([client], { quorum: 1, onFault: () => undefined }) });

  test('is shown to the witnesses by each process, also where they have cosigned it: they may have seen more since', async () => {
    const store = inMemoryEventStore();
    const { client, state } = willing('w1.example');
    const file = freshFile();
    const one = keep(store, { file, ...witnessed(client) });
    await record(store, 5);
    await until(async () => (await one.evidence.cosigned())?.size === 5);
    await stopAll();
    const { asked } = state;
    const offDuty = keep(store, { file, onDuty: of(false), ...witnessed(client) });
    await until(async () => (await offDuty.evidence.cosigned()) !== null);
    await stopAll();
    expect(state.asked).toBe(asked);
    state.objection = new NoCosignature('ahead', 'w1.example is ahead', { leaves: 7 });
    const restored = keep(store, { file, ...witnessed(client) });
    await until(() => restored.evidence.state().contradiction !== null);
    expect(restored.evidence.state().contradiction).toEqual({ witnesses: ['w1.example'], isTooMany: true });
  });

  test('is contradicted only where the witnesses are asked: no more on a node that went off duty', async () => {
    const store = inMemoryEventStore();
    const { client, state } = willing('w1.example');
    state.objection = new NoCosignature('fork', 'w1.example has cosigned another tree of 1 leaves');
    const onDuty = new BehaviorSubject(true);
    const one = keep(store, { onDuty, ...witnessed(client) });
    await record(store, 5);
    await until(() => one.evidence.state().contradiction !== null);
    onDuty.next(false);
    await until(() => one.evidence.state().contradiction === null);
  });

  test('is contradicted again when the duty comes back, also where enough others have cosigned', async () => {
    const store = inMemoryEventStore();
    const [against, other] = [willing('w1.example'), willing('w2.example')];
    against.state.objection = new NoCosignature('fork', 'w1.example has cosigned another tree of 1 leaves');
    const onDuty = new BehaviorSubject(true);
    const witnesses = () => witnessesOf([against.client, other.client], { quorum: 1, onFault: () => undefined });
    const one = keep(store, { onDuty, witnesses: witnesses() });
    await record(store, 5);
    await until(async () => (await one.evidence.cosigned()) !== null);
    expect(one.evidence.state().contradiction).toMatchObject({ isTooMany: false });
    onDuty.next(false);
    await until(() => one.evidence.state().contradiction === null);
    onDuty.next(true);
    await until(() => one.evidence.state().contradiction !== null);
  });
});

describe('a kept log', () => {
  test('has its newest cosigned checkpoint beside the newest, and none any more without witnesses', async () => {
    const store = inMemoryEventStore();
    const { client, key } = willing('w1.example');
    const file = freshFile();
    const one = keep(store, { file, witnesses: witnessesOf([client], { quorum: 1, onFault: () => undefined }) });
    await record(store, 5);
    await until(async () => (await one.evidence.cosigned()) !== null);
    const cosigned = (await one.evidence.cosigned())?.note as string;
    const trust = { log: parseVerifierKey(one.evidence.verifierKey), witnesses: [key], quorum: 1 };
    expect(openCheckpoint(cosigned, trust).cosignatures).toMatchObject([{ name: 'w1.example', at: 1_795_000_000 }]);
    expect(Object.keys(one.evidence.state().witnesses)).toEqual(['w1.example']);
    await stopAll();
    const without = keep(store, { file });
    await record(store, 1);
    await covered(without, 6);
    expect([await without.evidence.cosigned(), without.evidence.state()]).toEqual([
      null,
      {
        ...{ fault: null, size: 6, published: { size: 6, at: expect.any(Number) }, uncoveredSince: null },
        ...{ unwitnessedSince: null, witnesses: {}, contradiction: null },
      },
    ]);
  });

  test('gives receipts with cosignatures where the cosigned checkpoint covers the fact, and else by the newest', async () => {
    const store = inMemoryEventStore();
    const { client } = willing('w1.example');
    const one = keep(store, { witnesses: witnessesOf([client], { quorum: 1, onFault: () => undefined }) });
    await record(store, 5);
    await until(async () => (await one.evidence.cosigned()) !== null);
    const size = (await one.evidence.cosigned())?.size as number;
    await record(store, 6 - size);
    await covered(one, 6);
    expect(await one.evidence.receipt(1)).toContain('— w1.example');
    expect(await one.evidence.receipt(6)).not.toContain('— w1.example');
  });

  test('keeps what its witnesses have said when that could not be written at once', async () => {
    const store = inMemoryEventStore();
    const { client, state } = willing('w1.example');
    let failed = 0;
    const one = keep(store, {
      witnesses: witnessesOf([client], { quorum: 1, onFault: () => undefined }),
      through: (chain) => ({
        ...chain,
        async write(next, seen) {
          if (next.cosigned === null || failed > 0) return chain.write(next, seen);
          failed += 1;
          throw new StoreUnavailable();
        },
      }),
    });
    await record(store, 5);
    await until(async () => (await one.evidence.cosigned())?.size === 5);
    expect([failed, state.asked, one.evidence.state().unwitnessedSince]).toEqual([1, 1, null]);
  }, 30_000);

  test('waits for nobody: a checkpoint comes without its witnesses, and is degraded after five minutes', async () => {
    const store = inMemoryEventStore();
    const silent: Witnesses = { ask: () => new Promise(() => undefined) };
    const one = keep(store, { witnesses: silent });
    await record(store, 5);
    await covered(one, 5);
    await record(store, 5);
    await covered(one, 10);
    const state = one.evidence.state();
    const since = state.unwitnessedSince as number;
    expect(checkOf(state, since + 299_000)).toEqual({ ok: true, facts: 10, published: 10 });
    expect(checkOf(state, since + 301_000)).toEqual({ ok: true, facts: 10, published: 10, degraded: true, unwitnessed_seconds: 301 });
  });
});
