import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createLocalJWKSet, createRemoteJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose';
import { systemIds } from '../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { signerOver, signingKeys, temporarySigningKeys } from '../../src/adapters/keys/signing-keys.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import { sharedPrivateKeys } from '../../src/adapters/shared/private-keys.ts';
import { inMemoryRecords } from '../../src/adapters/shared/records.ts';
import { makeDecide } from '../../src/domain/decide.ts';
import type { EventStore } from '../../src/domain/ports/event-store.ts';
import type { Signer } from '../../src/domain/ports/signer.ts';
import { JWKS_MAX_AGE_SECONDS } from '../../src/domain/signing-key/decider.ts';
import { SigningKeyMissing, startRotation } from '../../src/projections/reactions/rotate-signing-keys.ts';
import { runProjections } from '../../src/projections/runner.ts';
import { signingKeys as signingKeysProjection } from '../../src/projections/signing-keys.ts';
import { standingClock } from '../support/clock.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { recorded } from '../support/log.ts';
import { racingStore } from '../support/racing-store.ts';
import { temporaryFolder } from '../support/served.ts';

const MASTER = Buffer.alloc(32, 5);
const TOKEN_SECONDS = 600;
const policy = { rotationSeconds: 5000, leadSeconds: 900, tokenSeconds: TOKEN_SECONDS };
const DAY = 86_400;

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface World {
  store: EventStore;
  dir: string;
  time: ReturnType<typeof standingClock>;
}

const world = (): World => ({ store: inMemoryEventStore(), dir: join(temporaryFolder(), 'keys'), time: standingClock() });

/** One engine's part in the rotation, with rows of its own; its private keys are those of the directory. PS256 is left out: RSA keys take long to make. */
const startNode = async ({ store, dir, time }: World, signer: Signer = signingKeys(dir, MASTER)) => {
  const rows = sqliteRows(':memory:');
  const projections = runProjections(store, rows, [signingKeysProjection], await store.head());
  await projections.caughtUp;
  const faults: unknown[] = [];
  const rotation = await startRotation({
    ...{ rows, signer, policy, projections, ids: systemIds, clock: time.clock, algs: ['ES256'] as const },
    decide: makeDecide({ store, sealer: psuKeys(':memory:', MASTER), ids: systemIds }),
    onFault: (error) => faults.push(error),
  });
  const stop = () => {
    rotation.stop();
    projections.stop();
  };
  closing.push(stop);
  const settled = async () => projections.reached(await store.head());
  return {
    ...{ signer, faults, stop, settled },
    /** What a second of a running engine does. */
    async tick() {
      for (const { act } of rotation.reaction.due(1)) await act(false);
      await settled();
    },
    rotate: () => rotation.rotate({ kind: 'operator', id: 'test' }),
    jwks: () => JSON.parse(JSON.stringify(signer.jwks())) as JSONWebKeySet,
    kid: async () => decodeProtectedHeader(await signer.sign('ES256', 'JWT', {})).kid,
  };
};
type Node = Awaited<ReturnType<typeof startNode>>;

const typesIn = async ({ store }: World): Promise<string[]> => (await store.readAll(0, 1000)).map(({ type }) => type);

/** A relying party that takes the header at its word: it keeps the JWKS as long as it may, behind a cache that does so, too, and never asks for an unknown kid. */
const relyingParty = (at: () => number) => {
  const caching = <T>(fetch: () => T) => {
    let kept: { value: T; since: number } | null = null;
    return () => {
      if (kept === null || at() >= kept.since + JWKS_MAX_AGE_SECONDS) kept = { value: fetch(), since: at() };
      return kept.value;
    };
  };
  let origin: () => JSONWebKeySet;
  const jwks = caching(caching(() => origin()));
  return async (jws: string, from: () => JSONWebKeySet) => {
    origin = from;
    await jwtVerify(jws, createLocalJWKSet(jwks()), { currentDate: new Date(at() * 1000) });
  };
};

describe('a rotation', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('pass' as const), n: fc.integer({ min: 1, max: 1500 }) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('tick' as const, 'sign' as const), n: fc.nat(1) }) },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('verify' as const), n: fc.nat(1000) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('rotate' as const, 'crash' as const), n: fc.nat(1) }) },
  );

  const signersOf = {
    'a directory': (given: World) => () => signingKeys(given.dir, MASTER),
    'shared records': () => {
      const records = inMemoryRecords();
      const onFault = (error: unknown) => {
        throw error;
      };
      return () => signerOver(sharedPrivateKeys(records, { master: MASTER, onFault }));
    },
  };

  test.each(Object.entries(signersOf))(
    'of nodes with %s never makes a relying party refuse a token, whatever the schedule',
    async (_, signers) => {
      let verified = 0;
      let rotations = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 60, maxLength: 200, size: 'max' }), async (schedule) => {
          const { time, ...rest } = world();
          const given = { time, ...rest };
          const newSigner = signers(given);
          const nodes: [Node, Node] = [await startNode(given, newSigner()), await startNode(given, newSigner())];
          const parties = [relyingParty(time.clock), relyingParty(time.clock)] as const;
          const tokens: { jws: string; exp: number }[] = [];
          for (const { kind, n } of schedule) {
            const node = nodes[n % 2] as Node;
            if (kind === 'pass') time.pass(n);
            if (kind === 'tick') await node.tick();
            if (kind === 'rotate') await node.rotate();
            if (kind === 'crash') {
              node.stop();
              nodes[n % 2] = await startNode(given, newSigner());
            }
            await Promise.all(nodes.map((one) => one.settled()));
            // The worst moment is right after a step, for whoever looked right before it.
            if (kind === 'sign' || kind === 'tick') {
              const exp = time.clock() + TOKEN_SECONDS;
              tokens.push({ exp, jws: await node.signer.sign('ES256', 'JWT', { iat: time.clock(), exp }) });
            }
            const good = tokens.filter(({ exp }) => exp > time.clock());
            const token = kind === 'tick' ? good.at(-1) : good[n % Math.max(1, good.length)];
            if ((kind !== 'verify' && kind !== 'tick') || token === undefined) continue;
            await parties[n % 2]?.(token.jws, () => (nodes[(n >> 1) % 2] as Node).jwks());
            verified += 1;
          }
          expect(nodes.flatMap(({ faults }) => faults)).toEqual([]);
          rotations += (await typesIn(given)).filter((type) => type === 'SigningKeyRetired').length;
          for (const close of closing.splice(0)) close();
        }),
        { numRuns: 40, endOnFailure: true },
      );
      expect(verified).toBeGreaterThan(500);
      expect(rotations).toBeGreaterThan(40);
    },
    60_000,
  );

  test('goes from published over used and retired to removed, and the private part goes last', async () => {
    const given = world();
    const node = await startNode(given);
    const first = await node.kid();
    const idToken = await node.signer.sign('ES256', 'JWT', { sub: 'alice' });
    given.time.pass(policy.rotationSeconds - policy.leadSeconds);
    await node.tick();
    expect([node.jwks().keys.length, await node.kid()]).toEqual([2, first]);
    given.time.pass(policy.leadSeconds);
    await node.tick();
    expect([node.jwks().keys.length, (await node.kid()) === first]).toEqual([2, false]);
    expect(readdirSync(given.dir)).toHaveLength(2);
    given.time.pass(TOKEN_SECONDS + 61);
    await node.tick();
    expect(node.jwks().keys.map(({ kid }) => kid)).toEqual([await node.kid()]);
    expect(readdirSync(given.dir)).toEqual([`signing-${await node.kid()}.key`]);
    expect(await typesIn(given)).toEqual([
      ...['SigningKeyPublished', 'SigningKeyActivated', 'SigningKeyPublished'],
      ...['SigningKeyActivated', 'SigningKeyRetired', 'SigningKeyRemoved'],
    ]);
    // The same as a hint: for 90 days, also after a restart.
    for (const { signer } of [node, await startNode(given)]) expect(await signer.verify(idToken, 'JWT')).toEqual({ sub: 'alice' });
    given.time.pass(90 * DAY);
    expect(await (await startNode(given)).signer.verify(idToken, 'JWT')).toBeNull();
    // Nothing of a private key stands in the log.
    for (const { data } of await given.store.readAll(0, 1000)) expect(data).not.toContain('"d"');
  });

  test('is taken up where a crash left it: before the key was published, before it was used, before its file was erased', async () => {
    const given = world();
    const unpublished = await signingKeys(given.dir, MASTER).offer('ES256');
    const node = await startNode(given);
    expect(await node.kid()).toBe(unpublished.kid);
    await node.rotate();
    node.stop();
    given.time.pass(policy.leadSeconds);
    const second = await startNode(given);
    expect(await second.kid()).not.toBe(unpublished.kid);
    second.stop();
    given.time.pass(TOKEN_SECONDS + 61);
    const third = await startNode(given);
    expect(third.jwks().keys).toHaveLength(1);
    expect(third.signer.holds(unpublished.kid)).toBe(false);
  });

  test('erases the private part from shared records also where no node has it any more', async () => {
    const given = world();
    const records = inMemoryRecords();
    const faults: unknown[] = [];
    const start = () =>
      startNode(given, signerOver(sharedPrivateKeys(records, { master: MASTER, onFault: (error) => faults.push(error) })));
    const first = await start();
    const retired = await first.kid();
    await first.rotate();
    given.time.pass(policy.leadSeconds);
    await first.tick();
    expect(await first.kid()).not.toBe(retired);
    first.stop();
    const second = await start();
    expect([second.signer.holds(retired ?? ''), await records.read(`signing-key-${retired}`)]).toEqual([false, expect.anything()]);
    given.time.pass(TOKEN_SECONDS + 61);
    await second.tick();
    expect([await records.read(`signing-key-${retired}`), faults]).toEqual([null, []]);
  });

  test('is decided once when two engines begin it at once, and neither signs with a key that is not published', async () => {
    const store = racingStore(inMemoryEventStore());
    const given = { ...world(), store };
    store.gather('signingKey-ES256', 2);
    const nodes = await Promise.all([startNode(given), startNode(given)]);
    for (let round = 0; round < 5; round += 1) {
      store.gather('signingKey-ES256', 2);
      given.time.pass(policy.rotationSeconds - policy.leadSeconds);
      await Promise.all(nodes.map((node) => node.tick()));
      store.gather('signingKey-ES256', 2);
      given.time.pass(policy.leadSeconds);
      await Promise.all(nodes.map((node) => node.tick()));
      const [one, other] = await Promise.all(nodes.map((node) => node.kid()));
      expect(one).toBe(other);
      for (const node of nodes) expect(node.jwks().keys.map(({ kid }) => kid)).toContain(one);
    }
    const types = await typesIn(given);
    expect(types.filter((type) => type === 'SigningKeyPublished')).toHaveLength(6);
    expect(types.filter((type) => type === 'SigningKeyActivated')).toHaveLength(6);
  });

  test('is not begun by an engine that lacks the private part of a key', async () => {
    const given = world();
    await startNode(given);
    await expect(startNode(given, temporarySigningKeys([]))).rejects.toThrow(SigningKeyMissing);
  });
});

describe('over HTTP', () => {
  let tested: TestEngine;
  afterEach(() => tested.close());

  test('the JWKS shows the next keys first, and then they sign', async () => {
    const time = standingClock();
    tested = await testEngine({ clock: time.clock });
    const published = async () => (await fetch(`${tested.url}/oauth2/jwks`)) as Response;
    const kids = async () => ((await (await published()).json()) as JSONWebKeySet).keys.map(({ kid }) => kid);
    const before = await kids();
    expect((await published()).headers.get('cache-control')).toBe(`public, max-age=${JWKS_MAX_AGE_SECONDS}`);
    const jwks = createRemoteJWKSet(new URL(`${tested.url}/oauth2/jwks`), { cooldownDuration: 0 });
    const sign = () => tested.ports.signer.sign('PS256', 'at+jwt', { iss: 'engine' });
    const [old] = [await sign()];
    await tested.engine.rotateSigningKeys({ kind: 'operator', id: 'test' });
    await recorded(tested, 'SigningKeyPublished', 'signingKey-PS256');
    await tested.engine.readModels.reached(await tested.ports.store.head());
    expect(await kids()).toEqual(expect.arrayContaining(before));
    expect(await kids()).toHaveLength(4);
    expect(before).toContain(decodeProtectedHeader(await sign()).kid);
    time.pass(DAY);
    await recorded(tested, 'SigningKeyRetired', 'signingKey-PS256');
    await tested.engine.readModels.reached(await tested.ports.store.head());
    expect(before).not.toContain(decodeProtectedHeader(await sign()).kid);
    for (const jws of [old, await sign()]) expect((await jwtVerify(jws, jwks)).payload.iss).toBe('engine');
  });
});
