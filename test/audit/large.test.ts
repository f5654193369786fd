import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { systemIds } from '../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { makeBundles } from '../../src/api/audit/bundles.ts';
import { difference } from '../../src/domain/audit/difference.ts';
import { makeTouched } from '../../src/domain/audit/touched.ts';
import type { EventStore, StoredEvent } from '../../src/domain/ports/event-store.ts';
import type { Json } from '../../src/domain/replay.ts';
import type { EvidenceLog } from '../../src/evidence/log.ts';
import { ProjectionsBehind } from '../../src/projections/runner.ts';
import { standingClock } from '../support/clock.ts';
import { steps } from '../support/steps.ts';
import { type Auditing, auditing, type Diff, type Found, type State } from './support.ts';

const SMALL = 150;
const REFRESHES = 1000;
const GAP = 7;
const GRANT = '/audit/v1/requests/large';

/** One grant of a request that was refreshed very often, and many small requests of the same client. */
const sealer = psuKeys(':memory:', Buffer.alloc(32, 1));
const inner = inMemoryEventStore();
let reads: number[] = [];
const spaced = (events: readonly StoredEvent[]) => events.map((event) => ({ ...event, position: event.position * GAP }));
/** The positions are those of a cluster: they leave gaps, and what is read begins behind a fact. */
const store: EventStore = {
  ...inner,
  async read(stream, fromRevision) {
    const events = spaced(await inner.read(stream, fromRevision));
    reads.push(events.length);
    return events;
  },
  async readAll(after, limit) {
    if (after % GAP !== 0) throw new Error(`there is no fact ${after}`);
    const events = spaced(await inner.readAll(after / GAP, limit));
    reads.push(events.length);
    return events;
  },
  head: async () => GAP * (await inner.head()),
};
let audit: Auditing;

beforeAll(async () => {
  const does = steps({ store: inner, sealer, clock: standingClock().clock, ids: systemIds });
  await does.registerClient('tpp');
  await does.ask('large', { clientId: 'tpp', psuId: 'alice', consentId: null });
  await does.show('large', 'phone');
  await does.answer('large', 'phone', 'approved');
  await does.persist('large');
  await does.redeem('large');
  await does.openGrant('large');
  await does.refresh('large', 1);
  await refreshAgain();
  for (let n = 0; n < SMALL; n += 1) await does.ask(`small-${n}`, { clientId: 'tpp', psuId: 'alice', consentId: null });
  audit = await auditing(store, sealer);
  await indexed();
});
afterAll(() => audit.stop());

/** What stands in the log of a refresh, as often as that, each token behind the one before. */
const refreshAgain = async () => {
  const past = await inner.read('grant-large');
  const again = Array.from({ length: REFRESHES }, (_, n) =>
    past.slice(-2).map(({ data, ...event }) => {
      const { tokenHash, ...said } = JSON.parse(data) as { tokenHash: string };
      const replaced = 'replaces' in said && { replaces: `${n > 0 ? n - 1 : ''}${tokenHash}` };
      return { ...event, id: systemIds.uuid(), data: JSON.stringify({ ...said, ...replaced, tokenHash: `${n}${tokenHash}` }) };
    }),
  );
  await inner.append('grant-large', again.flat(), past.length - 1);
};

/** Resolves when the index has come so far that nothing waits for it. */
const indexed = async (): Promise<unknown> =>
  audit.get('/audit/v1/events', { limit: 1 }).catch((error: unknown) => {
    if (error instanceof ProjectionsBehind) return indexed();
    throw error;
  });

/** What came of it, how often others had their turn meanwhile, and how many facts were read. */
const measured = async <T>(work: () => Promise<T>): Promise<{ result: T; turns: number; read: number }> => {
  let [turns, ended] = [0, false];
  reads = [];
  const counting = (async () => {
    for (; !ended; turns += 1) await nextTurn();
  })();
  const result = await work();
  ended = true;
  await counting;
  return { result, turns, read: reads.reduce((sum, one) => sum + one, 0) };
};

describe('who touched a place', () => {
  const value = fc.jsonValue({ maxDepth: 3 }).map((one) => JSON.parse(JSON.stringify(one)) as Json);
  const isWithin = (one: string, other: string) => `${one}/`.startsWith(`${other}/`);

  test('is whoever changed it, something in it, or what holds it', () =>
    fc.assert(
      fc.property(fc.array(value, { minLength: 2, maxLength: 8 }), (states) => {
        const touched = makeTouched<number>();
        const steps = states.slice(1).map((state, who) => difference(states[who] as Json, state).map(({ path }) => path));
        for (const [who, paths] of steps.entries()) touched.add(who, paths);
        for (const { path } of difference(states[0] as Json, states.at(-1) as Json)) {
          const met = steps.flatMap((paths, who) => (paths.some((one) => isWithin(one, path) || isWithin(path, one)) ? [who] : []));
          expect(touched.by(path)).toEqual(met);
        }
      }),
    ));
});

describe('what is read of very much', () => {
  test('a difference names the facts of each of thousands of changes, and lets others have their turn', async () => {
    const { result, turns } = await measured(() => audit.get<Diff>(`${GRANT}/diff`, { from: 0 }));
    const changes = result.streams.find(({ stream }) => stream.startsWith('grant-'))?.changes ?? [];
    const ofTokens = changes.filter(({ path }) => path.startsWith('/replacedTokens'));
    expect(changes.length).toBeGreaterThan(5);
    expect(ofTokens.flatMap(({ facts }) => facts).length).toBeGreaterThanOrEqual(REFRESHES);
    expect(turns).toBeGreaterThanOrEqual(REFRESHES / 50);
  });

  test('a page of states gives others their turn behind each stream, and within a long one', async () => {
    const { result, turns } = await measured(() => audit.get<State>('/audit/v1/tpps/tpp/state', { limit: 200 }));
    expect(result.streams.length).toBeGreaterThan(SMALL);
    expect(turns).toBeGreaterThanOrEqual(SMALL + REFRESHES / 50);
  });

  test('the evidence of a consent is gathered with turns in between', async () => {
    const log = await inner.readAll(0, 1_000_000);
    const streams = [...new Set(log.map(({ stream }) => stream))];
    const nothing = async () => null;
    const behind = { receipt: nothing, indexOf: nothing, checkpoint: nothing } as unknown as EvidenceLog;
    const bundles = makeBundles({ store, sealer, evidence: behind });
    const asked = () => bundles.ofConsent('large', { streams, head: log.length * GAP, kept: undefined });
    const { turns } = await measured(() => expect(asked()).rejects.toThrow('has not come so far'));
    expect(turns).toBeGreaterThanOrEqual(streams.length + log.length / 50);
  });

  test('a fact is read by its place, and not all that follows it', async () => {
    const { result, turns, read } = await measured(() => audit.get<Found>(`${GRANT}/history`, { limit: 10 }));
    expect(result.facts.map(({ type }) => type)).toContain('GrantOpened');
    expect(read).toBeLessThan(100);
    expect(turns).toBeGreaterThanOrEqual(2);
  });

  test('facts that stand close together are read together', async () => {
    const head = await store.head();
    await measured(() => audit.get<Found>(`${GRANT}/history`, { limit: 200, cursor: `${head - GAP * (SMALL + 100)}.${head}` }));
    expect(reads.length).toBeLessThan(20);
  });
});
