import { beforeEach, describe, expect, test } from '@jest/globals';
import { systemIds } from '../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import type { AuthorizationDetail } from '../../src/domain/authorization-details/detail-type.ts';
import { detailTypes } from '../../src/domain/authorization-details/registered.ts';
import { answer, cibaRequest, receive, retrieve, type Verdict } from '../../src/domain/ciba-request/decider.ts';
import { consent, lodge, revoke } from '../../src/domain/consent/decider.ts';
import { consentEvents } from '../../src/domain/consent/events.ts';
import { type Command, type Decide, type Load, makeDecide, makeLoad } from '../../src/domain/decide.ts';
import { makePersist } from '../../src/domain/persist.ts';
import type { EventStore } from '../../src/domain/ports/event-store.ts';
import type { Sealer } from '../../src/domain/ports/sealer.ts';
import { accounts, askedWith, consentAt, lodged, received, retrieved, revoked } from '../support/ceremony-facts.ts';

const open: Sealer = { seal: (_psuId, plaintext) => plaintext, open: ({ text }) => text };
const erased: Sealer = { ...open, open: () => null };

let store: EventStore;
let decide: Decide;
let load: Load;
beforeEach(() => {
  store = inMemoryEventStore();
  decide = makeDecide({ store, sealer: open, ids: systemIds });
  load = makeLoad(store);
});

const command = (): Command => ({ id: systemIds.uuid(), actor: { kind: 'engine', id: 'test' }, correlationId: 'story', causationId: null });
const persistOf = (sealer: Sealer = open) => makePersist({ decide, load, sealer, ids: systemIds })('request-1');
const authorisations = async () => {
  const events = (await store.read('consent-consent-1')).map(consentEvents.decode);
  return events.flatMap((event) => (event.type === 'ConsentAuthorised' ? [consentEvents.open(event.type, event.sealed, open)] : []));
};

/** A request was answered, and nobody has told its consent yet. */
const answered = async (
  verdict: Verdict,
  consentOrigin: 'lodged' | 'request',
  details: { asked?: AuthorizationDetail[]; approved?: AuthorizationDetail[] } = {},
): Promise<string> => {
  const revision = consentOrigin === 'lodged' ? 0 : -1;
  if (consentOrigin === 'lodged') await decide(consent, 'consent-1', lodge(lodged.data, null), command());
  await decide(cibaRequest, 'request-1', receive({ ...received.data, consentOrigin }, askedWith(null)), command());
  await decide(cibaRequest, 'request-1', retrieve({ ...retrieved.data, consentRevision: revision }, 'shown'), command());
  const { psuId, digest, nonce } = retrieved.data;
  const signed = { psuId, deviceId: 'phone', digest, nonce, keyThumbprint: 'key', jws: 'jws', at: 1020 };
  const by = { ...signed, verdict, accountIds: ['account-1'], authorizationDetails: details.approved ?? null };
  const parts = { ...accounts(['account-1']), asked: () => details.asked ?? null };
  const { eventIds } = await decide(cibaRequest, 'request-1', answer(by, consentAt(revision), parts, detailTypes), command());
  return String(eventIds[0]);
};

describe('an answer that was recorded becomes the consent’s', () => {
  test('with the accounts of the answer, because of the answer', async () => {
    const eventId = await answered('approved', 'lodged');
    await persistOf();
    expect(await load(consent, 'consent-1')).toMatchObject({ status: 'authorised', authorisation: { requestId: 'request-1', at: 1020 } });
    expect(await authorisations()).toEqual([{ accountIds: ['account-1'], authorizationDetails: null }]);
    const [, authorised] = await store.read('consent-consent-1');
    expect(authorised).toMatchObject({ causationId: eventId, correlationId: 'consent-1', actor: { kind: 'device', id: 'phone' } });
  });

  test('with the authorization details that were approved', async () => {
    const asked = { type: 'account_information', actions: ['list_accounts', 'read_balances'] };
    const approved = { type: 'account_information', actions: ['read_balances'] };
    await answered('approved', 'request', { asked: [asked], approved: [approved] });
    await persistOf();
    expect(await authorisations()).toEqual([{ accountIds: ['account-1'], authorizationDetails: [approved] }]);
  });

  test('which begins with it, where the TPP lodged none', async () => {
    await answered('approved', 'request');
    await persistOf();
    const [beginning, authorised] = await store.read('consent-consent-1');
    expect([beginning?.type, authorised?.type]).toEqual(['ConsentLodged', 'ConsentAuthorised']);
    expect(await load(consent, 'consent-1')).toMatchObject({
      clientId: 'tpp',
      content: { kind: 'scope', scope: 'openid accounts' },
      expiresAt: null,
    });
  });

  test('once, by however many', async () => {
    await answered('approved', 'request');
    await Promise.all([persistOf(), persistOf(), persistOf()]);
    await persistOf();
    expect(await store.read('consent-consent-1')).toHaveLength(2);
  });

  test('as a no, too', async () => {
    await answered('denied', 'lodged');
    await persistOf();
    expect(await load(consent, 'consent-1')).toMatchObject({ status: 'rejected', rejectedBy: { requestId: 'request-1' } });
  });

  test('but a no begins no consent', async () => {
    await answered('denied', 'request');
    await persistOf();
    expect(await load(consent, 'consent-1')).toMatchObject({ status: 'absent' });
  });

  test('not when the consent was revoked first', async () => {
    await answered('approved', 'lodged');
    await decide(consent, 'consent-1', revoke(revoked.data), command());
    await persistOf();
    expect(await load(consent, 'consent-1')).toMatchObject({ status: 'revoked', authorisation: null });
  });

  test('with no accounts of a PSU who was erased', async () => {
    await answered('approved', 'lodged');
    await persistOf(erased);
    expect(await authorisations()).toEqual([{ accountIds: [], authorizationDetails: null }]);
  });
});

describe('without an answer nothing becomes of it', () => {
  test('before the answer', async () => {
    await decide(consent, 'consent-1', lodge(lodged.data, null), command());
    await decide(cibaRequest, 'request-1', receive(received.data, askedWith(null)), command());
    await persistOf();
    expect(await load(consent, 'consent-1')).toMatchObject({ status: 'awaitingAuthorisation' });
  });
  test('without a request', async () => {
    await persistOf();
    expect(await store.head()).toBe(0);
  });
});
