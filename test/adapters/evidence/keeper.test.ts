import { generateKeyPairSync } from 'node:crypto';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from '@jest/globals';
import { BehaviorSubject, map, of, Subject } from 'rxjs';
import { inMemoryEventStore } from '../../../src/adapters/event-store/in-memory.ts';
import { checkLog } from '../../../src/adapters/evidence/checked.ts';
import { type Chain, chainIn } from '../../../src/adapters/evidence/checkpoints.ts';
import { growingTiles } from '../../../src/adapters/evidence/tiles.ts';
import { inMemoryRecords, type SharedRecords } from '../../../src/adapters/shared/records.ts';
import { evidenceCheck } from '../../../src/api/operator/readiness.ts';
import { type EventStore, type Page, type StoredEvent, StoreUnavailable } from '../../../src/domain/ports/event-store.ts';
import { leafHash, leafOf } from '../../../src/evidence/leaf.ts';
import { logSigner, parseVerifierKey } from '../../../src/evidence/note-key.ts';
import { openProof } from '../../../src/evidence/proof.ts';
import { covered, expectOneChain, freshFile, type KeptLog, keptLogs, ORIGIN, record, rootOver, until } from './keeping.ts';

const ROUNDS = Number(process.env['ROUNDS'] ?? 200);

const { keep, stopAll } = keptLogs();

/** Records that tell what is written, and may fail before or after a write is kept. */
const watched = (records = inMemoryRecords()) => {
  const written: string[] = [];
  let fails: 'before' | 'after' | null = null;
  const own: SharedRecords = {
    ...records,
    async write(name, text, expectedRevision) {
      const failing = fails;
      fails = null;
      if (failing === 'before') throw new StoreUnavailable();
      const isKept = await records.write(name, text, expectedRevision);
      if (isKept) written.push(text);
      if (failing === 'after') throw new StoreUnavailable();
      return isKept;
    },
  };
  const failOnce = (when: 'before' | 'after') => {
    fails = when;
  };
  return { records: own, written, failOnce };
};

/** A store as it looks where one of its facts is another. */
const tampered = (store: EventStore, position: number): EventStore => {
  const changed = (event: StoredEvent) => (event.position === position ? { ...event, data: '{"changed":true}' } : event);
  return {
    ...store,
    readAll: async (...args) => (await store.readAll(...args)).map(changed),
    follow: (after) => store.follow(after).pipe(map((page) => ({ ...page, events: page.events.map(changed) }))),
  };
};

describe('the evidence log', () => {
  test('covers what stands in the log, and then what comes, within the time of a checkpoint', async () => {
    const store = inMemoryEventStore();
    await record(store, 300);
    const one = keep(store, { checkpointMs: 1000 });
    await covered(one, 300);
    for (const size of [301, 340, 341]) {
      const began = performance.now();
      await record(store, size - (await store.head()));
      await covered(one, size);
      expect(performance.now() - began).toBeLessThan(2000);
      expect((await one.evidence.checkpoint())?.root).toEqual(await rootOver(store, size));
    }
    expect(one.faults).toEqual([]);
  });

  test('publishes nothing while nothing comes, and nothing again after a start', async () => {
    const store = inMemoryEventStore();
    const [file, { records, written }] = [freshFile(), watched()];
    const first = keep(store, { file, records, checkpointMs: 100 });
    await record(store, 10);
    await covered(first, 10);
    const before = written.length;
    await stopAll();
    keep(store, { file, records });
    const other = inMemoryEventStore();
    const witness = keep(other, {});
    await record(other, 3);
    await covered(witness, 3);
    await stopAll();
    expect(written).toHaveLength(before);
  });

  test('gives receipts that need no server, and waits for the checkpoint of a fact if it is to', async () => {
    const store = inMemoryEventStore();
    const one = keep(store);
    await record(store, 20);
    await covered(one, 20);
    const key = parseVerifierKey(one.evidence.verifierKey);
    for (const event of await store.readAll(0, 20)) {
      const leaf = leafHash(leafOf(event));
      expect(openProof((await one.evidence.receipt(event.position)) as string, leaf, { log: key })).toMatchObject({
        index: event.position - 1,
        origin: ORIGIN,
      });
    }
    expect(await one.evidence.receipt(21)).toBeNull();
    const soon = one.evidence.receipt(21, 5000);
    await record(store, 1);
    const [event] = await store.readAll(20, 1);
    expect(openProof((await soon) as string, leafHash(leafOf(event as never)), { log: key })).toMatchObject({ index: 20 });
    expect(await one.evidence.receipt(99, 50)).toBeNull();
  });

  test('goes on where it was stopped, from the tree of its file or without it', async () => {
    const store = inMemoryEventStore();
    const [file, { records, written }] = [freshFile(), watched()];
    for (const [at, size] of [300, 301, 700].entries()) {
      const one = keep(store, { file: at === 2 ? freshFile() : file, records });
      await record(store, size - (await store.head()));
      await covered(one, size);
      expect((await one.evidence.checkpoint())?.root).toEqual(await rootOver(store, size));
      expect(one.faults).toEqual([]);
      await stopAll();
    }
    expect(written.length).toBeGreaterThanOrEqual(3);
  });

  test('publishes what came last when it is stopped', async () => {
    const store = inMemoryEventStore();
    const { records } = watched();
    const one = keep(store, { records, checkpointMs: 60_000 });
    await record(store, 1);
    await covered(one, 1);
    await record(store, 5);
    const { chain } = one;
    await stopAll();
    expect((await chain.newest())?.standing.newest.size).toBe(6);
  });

  test('says in readiness for how long facts have waited for a checkpoint, when that is long', async () => {
    const store = inMemoryEventStore();
    const onDuty = new BehaviorSubject(false);
    const one = keep(store, { onDuty });
    await record(store, 5);
    await until(() => one.evidence.state().size === 5);
    const since = one.evidence.state().uncoveredSince as number;
    await record(store, 1);
    await until(() => one.evidence.state().size === 6);
    const state = one.evidence.state();
    const seenAfter = (seconds: number, checkpointMs = 100) => evidenceCheck(state, { now: since + seconds * 1000, checkpointMs });
    expect(seenAfter(29)).toEqual({ ok: true, facts: 6, published: 0 });
    expect(seenAfter(31)).toEqual({ ok: true, facts: 6, published: 0, degraded: true, uncovered_seconds: 31 });
    expect(seenAfter(49, 5000)).toEqual({ ok: true, facts: 6, published: 0 });
    onDuty.next(true);
    await covered(one, 6);
    expect(one.evidence.state().uncoveredSince).toBeNull();
  });

  test('waits for no checkpoint where its tree is made again: what comes is published', async () => {
    const store = inMemoryEventStore();
    const { records } = watched();
    const one = keep(store, { records });
    await record(store, 6);
    await covered(one, 6);
    const events = await store.readAll(0, 6);
    const pages = new Subject<Page>();
    const again = keep({ follow: () => pages }, { records, onDuty: of(false) });
    pages.next({ events: events.slice(0, 3), position: 3, caughtUp: false });
    await until(() => again.evidence.state().size === 3);
    await until(() => again.evidence.state().uncoveredSince === null);
    pages.next({ events: events.slice(3), position: 6, caughtUp: true });
    await covered(again, 6);
    expect(again.evidence.state().uncoveredSince).toBeNull();
  });

  test('waits for a checkpoint, also where the tree cannot be kept', async () => {
    const store = inMemoryEventStore();
    const file = freshFile();
    const one = keep(store, { file });
    await record(store, 5);
    await covered(one, 5);
    const other = new DatabaseSync(file);
    other.exec('begin immediate');
    await record(store, 1);
    await until(() => one.faults.length > 0);
    expect(one.evidence.state()).toMatchObject({ size: 5, uncoveredSince: expect.any(Number) });
    other.exec('rollback');
    other.close();
    await covered(one, 6);
    expect(one.evidence.state().uncoveredSince).toBeNull();
  });

  test('does nothing more when it is stopped, also where the next look is due meanwhile', async () => {
    const store = inMemoryEventStore();
    let looks = 0;
    const slow = (chain: Chain): Chain => ({
      ...chain,
      async newest() {
        looks += 1;
        await new Promise((resolve) => setTimeout(resolve, 100));
        return chain.newest();
      },
    });
    // Off duty it looks all the time, for there is something to publish.
    const one = keep(store, { onDuty: of(false), checkpointMs: 20, through: slow });
    await record(store, 1);
    await until(() => looks > 1);
    await stopAll();
    const before = looks;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect([one.faults, looks]).toEqual([[], before]);
  });
});

describe('a write whose outcome is unknown', () => {
  test.each(['before', 'after'] as const)('counts if it was kept: the store was away %s it', async (when) => {
    const store = inMemoryEventStore();
    const { records, written, failOnce } = watched();
    const one = keep(store, { records });
    await record(store, 5);
    await covered(one, 5);
    failOnce(when);
    await record(store, 5);
    await covered(one, 10);
    const sizes = written.map((text) => Number(JSON.parse(text).newest.note.split('\n')[1]));
    expect(sizes).toEqual([...new Set(sizes)]);
    expect(one.faults).toEqual(['evidence log: the event store could not be reached in time']);
  });
});

describe('many nodes', () => {
  test('have one chain: the one on duty publishes, the others have the same tree', async () => {
    const store = inMemoryEventStore();
    const { records, written } = watched();
    const [mine, theirs] = [new BehaviorSubject(true), new BehaviorSubject(false)];
    const [first, second] = [keep(store, { records, onDuty: mine }), keep(store, { records, onDuty: theirs })];
    await record(store, 300);
    await Promise.all([covered(first, 300), covered(second, 300)]);
    mine.next(false);
    await record(store, 10);
    theirs.next(true);
    await Promise.all([covered(first, 310), covered(second, 310)]);
    for (const { evidence, faults } of [first, second]) {
      expect((await evidence.checkpoint())?.root).toEqual(await rootOver(store, 310));
      expect(faults).toEqual([]);
    }
    expectOneChain(written, first);
  });

  test(`that publish at once make one chain, ${ROUNDS} rounds`, async () => {
    const store = inMemoryEventStore();
    const { records, written } = watched();
    let lost = 0;
    const through = (chain: Chain): Chain => ({
      ...chain,
      async write(...args) {
        const kept = await chain.write(...args);
        if (kept === null) lost += 1;
        return kept;
      },
    });
    const nodes = [keep(store, { records, through, checkpointMs: 1 }), keep(store, { records, through, checkpointMs: 1 })];
    for (let round = 1; round <= ROUNDS; round += 1) {
      await record(store, 1);
      await Promise.all(nodes.map((node) => covered(node, round)));
    }
    for (const { faults } of nodes) expect(faults).toEqual([]);
    expect(written.length).toBeGreaterThanOrEqual(ROUNDS);
    expect(lost).toBeGreaterThan(ROUNDS / 10);
    expectOneChain(written, nodes[0] as KeptLog);
  }, 600_000);

  test('whose logs differ: the other signs nothing any more, and says why', async () => {
    const store = inMemoryEventStore();
    const { records, written } = watched();
    const [mine, theirs] = [new BehaviorSubject(true), new BehaviorSubject(false)];
    const one = keep(store, { records, onDuty: mine });
    const other = keep(tampered(store, 7), { records, onDuty: theirs });
    await record(store, 5);
    await Promise.all([covered(one, 5), covered(other, 5)]);
    await record(store, 5);
    await until(() => other.evidence.state().fault !== null);
    expect(other.faults).toEqual([expect.stringMatching(/^evidence log: the log differs from the published checkpoint of \d+ facts\. /)]);
    expect((await other.evidence.checkpoint())?.size).toBe(5);
    theirs.next(true);
    await record(store, 5);
    await covered(one, 15);
    expect((await one.evidence.checkpoint())?.root).toEqual(await rootOver(store, 15));
    expect([one.faults, one.evidence.state().fault]).toEqual([[], null]);
    expectOneChain(written, one);
  });

  test('whose logs differ: the other gives the duty away, and says why, also where that cannot be written', async () => {
    const store = inMemoryEventStore();
    const { records } = watched();
    const one = keep(store, { records });
    await record(store, 5);
    await covered(one, 5);
    let isHalted = false;
    const onHalt = () => {
      isHalted = true;
    };
    const other = keep(tampered(store, 3), { records, onHalt });
    Object.assign(other.tiles, {
      stop() {
        throw new Error('the disk is full');
      },
    });
    await until(() => other.faults.length === 2);
    expect([isHalted, other.faults]).toEqual([
      true,
      [expect.stringMatching(/^evidence log: the log differs from/), 'evidence log: the disk is full'],
    ]);
  });

  test('of which one comes from behind with another log: it does not go on from what it could not compare', async () => {
    const { records, written } = watched();
    const [store, another] = [inMemoryEventStore(), inMemoryEventStore()];
    const one = keep(store, { records });
    await record(store, 5);
    await covered(one, 5);
    let looks = 0;
    const through = (chain: Chain): Chain => ({
      ...chain,
      async newest() {
        const newest = await chain.newest();
        looks += 1;
        return newest;
      },
    });
    const other = keep(another, { records, through });
    await record(another, 1);
    await until(() => looks > 0);
    await record(another, 9);
    await until(() => other.evidence.state().fault !== null);
    expect(other.evidence.state().fault).toMatch(/^the log differs from the published checkpoint of 5 facts\. /);
    expectOneChain(written, one);
    expect((await one.chain.newest())?.standing.newest.size).toBe(5);
  });

  test('where one misses facts that are published: it is found when it has seen as far', async () => {
    const store = inMemoryEventStore();
    const { records } = watched();
    const shorter: EventStore = {
      ...store,
      follow: (after) =>
        store.follow(after).pipe(map((page) => ({ ...page, events: page.events.filter(({ position }) => position !== 3) }))),
    };
    const one = keep(store, { records });
    await record(store, 5);
    await covered(one, 5);
    const other = keep(shorter, { records, onDuty: of(false) });
    await until(() => other.evidence.state().fault !== null);
    expect(other.evidence.state().fault).toMatch(/^the log has 4 facts where the evidence log has 5\. /);
  });
});

describe('at the start', () => {
  const key = generateKeyPairSync('ed25519').privateKey;

  /** A log of so many facts that were published, and its comparison with another log at the next start. */
  const published = async (facts: number) => {
    const store = inMemoryEventStore();
    const [file, { records }] = [freshFile(), watched()];
    await record(store, facts);
    const one = keep(store, { file, records, key });
    await covered(one, facts);
    await stopAll();
    const check = async (log: EventStore, { tiles: tilesFile = file, signedBy = key } = {}) => {
      const tiles = growingTiles(tilesFile, ORIGIN);
      try {
        const newest = await chainIn(records, logSigner(ORIGIN, signedBy).verifierKey).newest();
        await checkLog(newest?.standing ?? null, { tiles, store: log });
      } finally {
        tiles.close();
      }
    };
    return { store, check };
  };

  test('the log that was published is the log', async () => {
    const { store, check } = await published(1500);
    await check(store);
    await check(store, { tiles: freshFile() });
    await record(store, 3);
    await check(store);
  });

  test('an older log is refused, also without the tree', async () => {
    const { store, check } = await published(1500);
    const older = {
      ...store,
      head: async () => 1400,
      readAll: async (after: number, limit: number) => store.readAll(after, Math.min(limit, 1400 - after)),
    };
    const refusal =
      /^the log ends at position 1400, and the published checkpoint covers it up to position 1500\. Put back .*evidence\.origin/;
    await expect(check(older)).rejects.toThrow(refusal);
    await expect(check(older, { tiles: freshFile() })).rejects.toThrow(refusal);
  });

  test('a log whose end was changed is refused', async () => {
    const { store, check } = await published(1500);
    for (const position of [501, 1000, 1500])
      await expect(check(tampered(store, position))).rejects.toThrow(
        `the fact at position ${position} is not the one that the evidence log has there`,
      );
  });

  test('a checkpoint by another key is refused', async () => {
    const { store, check } = await published(10);
    const signedBy = generateKeyPairSync('ed25519').privateKey;
    await expect(check(store, { signedBy })).rejects.toThrow(
      /^the published checkpoint was not signed with the key of the evidence log\. /,
    );
  });
});
