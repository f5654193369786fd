import { describe, expect, test } from '@jest/globals';
import { systemIds } from '../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { makeDecide, makeLoad } from '../../src/domain/decide.ts';
import { makeFold } from '../../src/domain/fold.ts';
import { grant, open, refresh, revokeAccessToken } from '../../src/domain/grant/decider.ts';
import type { EventStore } from '../../src/domain/ports/event-store.ts';
import type { Sealer } from '../../src/domain/ports/sealer.ts';

const AT = 1000;
const unbound = { certificateThumbprint: null, dpopKeyThumbprint: null };
const sealer: Sealer = { seal: (_psuId, plaintext) => plaintext, open: ({ text }) => text };
const command = () => ({ id: systemIds.uuid(), actor: { kind: 'client', id: 'tpp' } as const, correlationId: 'story', causationId: null });
const accessToken = (n: number) => ({ tokenHash: `access-${n}`, scope: 'accounts', at: AT, expiresAt: AT + 60, ...unbound });

/** A store that counts the events it gives out, and a grant that is opened and refreshed so many times, over two events each. */
const refreshed = async (times: number) => {
  const log = inMemoryEventStore();
  let read = 0;
  const store: EventStore = {
    ...log,
    async read(stream, from) {
      const events = await log.read(stream, from);
      read += events.length;
      return events;
    },
  };
  const decide = makeDecide({ store, sealer, ids: systemIds });
  const opened = { clientId: 'tpp', psuId: null, consentId: null, requestId: null, authTime: null, acr: null, scope: 'accounts', at: AT };
  const first = { tokenHash: 'refresh-0', at: AT, expiresAt: AT + 6000 };
  await decide(grant, 'long', open({ ...opened, ...unbound, hasAuthorizationDetails: false }, accessToken(0), first), command());
  for (let n = 1; n <= times; n += 1) {
    const by = { clientId: 'tpp', tokenHash: `refresh-${n - 1}`, binding: unbound, at: AT };
    await decide(grant, 'long', refresh(by, accessToken(n), { tokenHash: `refresh-${n}`, nonce: 'n' }), command());
  }
  return { store, decide, readSince: (before: number) => read - before, read: () => read };
};

describe('the fold of a long stream', () => {
  test('is the same as from its first event, wherever it goes on from', async () => {
    const { store, decide } = await refreshed(200);
    const load = makeLoad(store);
    for (let n = 0; n < 5; n += 1) {
      await decide(grant, 'long', revokeAccessToken(`access-${n}`, AT), command());
      expect(await load(grant, 'long')).toEqual(await makeLoad(store)(grant, 'long'));
    }
    const folded = await makeFold(store)(grant, 'long');
    expect(folded).toMatchObject({ revision: 407, position: 408, state: { status: 'open', refreshToken: { tokenHash: 'refresh-200' } } });
  });

  test('reads only what has come since', async () => {
    const { read, readSince, decide } = await refreshed(500);
    // Whole while it is short, then two events for each refresh.
    expect(read()).toBeLessThan(64 * 64 + 2 * 500);
    const before = read();
    await decide(grant, 'long', revokeAccessToken('access-1', AT), command());
    expect(readSince(before)).toBeLessThanOrEqual(2);
  });

  test('sees what others have appended meanwhile', async () => {
    const { store, decide } = await refreshed(100);
    const other = makeDecide({ store, sealer, ids: systemIds });
    const tokens = Array.from({ length: 20 }, (_, n) => `access-${n}`);
    await Promise.all(tokens.map((token, n) => (n % 2 === 0 ? decide : other)(grant, 'long', revokeAccessToken(token, AT), command())));
    const revoked = (await store.read('grant-long')).filter(({ type }) => type === 'AccessTokenRevoked');
    expect(revoked.map(({ data }) => JSON.parse(data).tokenHash).toSorted()).toEqual(tokens.toSorted());
    for (const decides of [decide, other])
      expect(await decides(grant, 'long', revokeAccessToken('access-3', AT), command())).toMatchObject({ eventIds: [] });
  });

  test('is given up for those that were used later', async () => {
    const store = inMemoryEventStore();
    const decide = makeDecide({ store, sealer, ids: systemIds });
    const fold = makeFold(store);
    const opened = { clientId: 'tpp', psuId: null, consentId: null, requestId: null, authTime: null, acr: null, scope: 'accounts', at: AT };
    const ids = Array.from({ length: 600 }, (_, n) => `grant-${n}`);
    for (const id of ids) {
      await decide(grant, id, open({ ...opened, ...unbound, hasAuthorizationDetails: false }, accessToken(0), null), command());
      const revoked = Array.from({ length: 70 }, (_, n) => ({ type: 'AccessTokenRevoked', data: { tokenHash: `${id}-${n}`, at: AT } }));
      await decide(grant, id, () => revoked as never, command());
      await fold(grant, id);
    }
    for (const id of ids) expect((await fold(grant, id)).revision).toBe(71);
  });
});
