import { rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { systemIds } from '../src/adapters/clock.ts';
import { inMemoryEventStore } from '../src/adapters/event-store/in-memory.ts';
import { insertInto, makeTable } from '../src/adapters/event-store/sqlite-statements.ts';
import { detailTypes } from '../src/domain/authorization-details/registered.ts';
import { answer, cibaRequest, receive, redeem, retrieve } from '../src/domain/ciba-request/decider.ts';
import { consent } from '../src/domain/consent/decider.ts';
import { makeDecide, makeLoad } from '../src/domain/decide.ts';
import { device, offer, register } from '../src/domain/device/decider.ts';
import { sealingContext, sealingSubject } from '../src/domain/events.ts';
import { grant, open } from '../src/domain/grant/decider.ts';
import { makePersist } from '../src/domain/persist.ts';
import type { EventStore, StoredEvent } from '../src/domain/ports/event-store.ts';
import type { Sealer } from '../src/domain/ports/sealer.ts';
import { attempted, push, pushIdOf } from '../src/domain/push/decider.ts';

/** Who and what one ceremony is of. */
export interface Cast {
  requestId: string;
  psuId: string;
  deviceId: string;
  accountId: string;
  /** Epoch seconds. */
  at: number;
}

const SECONDS_OF_ONE_TOKEN = 3600;
const REFRESH_TOKEN_SECONDS = 7_776_000;

/** The n-th ceremony, at a moment: so many PSUs take turns. */
export const castOf = (n: number, { at, psus }: { at: number; psus: number }): Cast => ({
  requestId: (at * 1000 + (n % 1000)).toString(36) + systemIds.secret(),
  psuId: `psu-${n % psus}`,
  deviceId: `device-${n % psus}`,
  accountId: `account-${n % psus}`,
  at,
});

const command = (kind: 'client' | 'device' | 'operator', correlationId: string) => ({
  id: systemIds.uuid(),
  actor: { kind, id: 'bench' } as const,
  correlationId,
  causationId: null,
});

/** The facts of whole ceremonies, by the deciders that a real one goes through: a request, a push, a showing, an approval, its tokens. */
export const ceremonies = (store: EventStore, sealer: Sealer) => {
  const ids = systemIds;
  const decide = makeDecide({ store, sealer, ids });
  const load = makeLoad(store);
  const persist = makePersist({ decide, load, sealer, ids });
  const clientId = 'tpp';

  return async ({ requestId, psuId, deviceId, accountId, at }: Cast): Promise<void> => {
    const of = { clientId, psuId, consentId: requestId, scope: 'openid accounts', acr: null };
    const unbound = { certificateThumbprint: null, dpopKeyThumbprint: null };
    const terms = { consentOrigin: 'request' as const, intervalSeconds: 5, deliveryMode: 'poll' as const, supersedes: null };
    const asked = {
      bindingMessage: 'Payment 1',
      authorizationDetails: null,
      requestContext: null,
      notificationToken: null,
      authReqId: null,
    };
    const received = { ...of, ...unbound, ...terms, at, expiresAt: at + 300 };
    await decide(cibaRequest, requestId, receive(received, asked), command('client', requestId));
    const attempt = { requestId, deviceId, tokenRevision: 1, psuId, at, requestExpiresAt: at + 300, mayRepeat: false };
    const sent = attempted(attempt, { outcome: 'accepted', messageId: `message of ${requestId}` });
    await decide(push, pushIdOf(attempt), sent, command('device', requestId));
    const shown = { psuId, deviceId, sessionId: null, digest: ids.secret(), nonce: ids.secret(), consentRevision: -1, at };
    const text = 'what was shown, about as long as a real one '.repeat(15);
    await decide(cibaRequest, requestId, retrieve(shown, text), command('device', requestId));
    const chosen = { accountIds: [accountId], authorizationDetails: null };
    const by = { ...shown, ...chosen, verdict: 'approved' as const, keyThumbprint: 'key', jws: 'j'.repeat(600) };
    const parts = { asked: () => null, offered: () => [accountId], chosen: () => chosen };
    const approval = answer(by, { status: 'absent', revision: -1 }, parts, detailTypes);
    await decide(cibaRequest, requestId, approval, command('device', requestId));
    await persist(requestId);
    const redemption = { clientId, certificateThumbprint: null, consent: await load(consent, requestId), grantId: requestId, at };
    await decide(cibaRequest, requestId, redeem(redemption), command('client', requestId));
    const opened = { ...of, ...unbound, requestId, authTime: at, at, hasAuthorizationDetails: false };
    const accessToken = { tokenHash: ids.secret(), scope: of.scope, at, expiresAt: at + SECONDS_OF_ONE_TOKEN, ...unbound };
    const refreshToken = { tokenHash: ids.secret(), at, expiresAt: at + REFRESH_TOKEN_SECONDS };
    await decide(grant, requestId, open(opened, accessToken, refreshToken), command('client', requestId));
  };
};

/** A phone for each PSU. */
const registerDevices = async (store: EventStore, sealer: Sealer, { at, psus }: { at: number; psus: number }): Promise<void> => {
  const decide = makeDecide({ store, sealer, ids: systemIds });
  for (let n = 0; n < psus; n += 1) {
    const id = `device-${n}`;
    await decide(device, id, offer({ psuId: `psu-${n}`, challengeHash: 'c', at, expiresAt: at + 60 }), command('operator', id));
    const publicKey = { kty: 'OKP' as const, crv: 'Ed25519' as const, x: systemIds.secret() };
    const phone = { name: 'Phone', model: 'Bench', pushToken: `token of ${n}`, dialect: 'countersign' as const };
    const registered = { ...phone, challengeHash: 'c', publicKey, keyThumbprint: systemIds.secret(), at };
    await decide(
      device,
      id,
      register(registered, () => null),
      command('device', id),
    );
  }
};

const PLAIN: Sealer = { seal: (_psuId, plaintext) => plaintext, open: ({ text }) => text };
const FIRST_AT = 1_700_000_000;
const COMMIT_CEREMONIES = 5000;

/**
 * Writes the log of as many finished ceremonies, spread over so many days until now, straight into a new file: each is a copy of one that
 * the deciders made, with a request, tokens, ids and a time of its own, and sealed for itself. Gives how many events there are.
 */
export const writeLog = async (
  file: string,
  sealer: Sealer,
  { count, days, psus }: { count: number; days: number; psus: number },
): Promise<number> => {
  for (const suffix of ['', '-wal', '-shm', '.lock']) rmSync(file + suffix, { force: true });
  const db = new DatabaseSync(file);
  db.exec('pragma journal_mode=wal; pragma synchronous=off; pragma cache_size=-262144');
  makeTable(db);
  const insert = insertInto(db);
  let position = 0;
  const write = (event: StoredEvent) => {
    position += 1;
    const subject = () => ({ psuId: subjectOf(event), retention: 'request', at: event.recordedAt / 1000 }) as const;
    const sealed = event.sealed && sealer.seal(subject(), event.sealed, sealingContext(event.stream, event.revision, event));
    insert({ ...event, position, sealed });
  };
  const start = Math.floor(Date.now() / 1000) - days * 86_400;
  const devices = inMemoryEventStore({ now: () => start * 1000 });
  await registerDevices(devices, PLAIN, { at: start, psus });
  const copy = copiesOf(await modelCeremony());
  db.exec('begin');
  for (const event of await devices.readAll(0, 1_000_000)) write(event);
  for (let n = 0; n < count; n += 1) {
    for (const event of copy(castOf(n, { at: start + Math.floor((n / count) * days * 86_400), psus }))) write(event);
    if (n % COMMIT_CEREMONIES === COMMIT_CEREMONIES - 1) db.exec('commit; begin');
  }
  db.exec('commit; pragma wal_checkpoint(truncate)');
  db.close();
  return position;
};

const subjectOf = ({ stream, data }: StoredEvent): string => {
  const dash = stream.indexOf('-');
  return sealingSubject(stream.slice(0, dash), stream.slice(dash + 1), JSON.parse(data));
};

const MODEL: Cast = { requestId: 'REQUEST', psuId: 'PSU', deviceId: 'DEVICE', accountId: 'ACCOUNT', at: FIRST_AT };

const modelCeremony = async (): Promise<readonly StoredEvent[]> => {
  const store = inMemoryEventStore({ now: () => FIRST_AT * 1000 });
  await ceremonies(store, PLAIN)(MODEL);
  return store.readAll(0, 100);
};

/** Copies of a ceremony. Hashes and ids of events are replaced wherever they stand: what refers to them still does. */
const copiesOf = (events: readonly StoredEvent[]) => {
  const text = JSON.stringify(events);
  const secrets = new Set(text.match(/(?<=\\")[A-Za-z0-9_-]{43}(?=\\")/g));
  const eventIds = new Set(text.match(/[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}/g));
  const times = new Set(text.match(/(?<!\d)17[0-9]{8}(?=\D)/g));
  const replaced = [...secrets, ...eventIds, ...times, 'REQUEST', 'PSU', 'DEVICE', 'ACCOUNT'];
  // Only the texts that hold one of them are looked through for it.
  const pieces = text.split(new RegExp(`(${replaced.join('|')})`));
  return ({ requestId, psuId, deviceId, accountId, at }: Cast): StoredEvent[] => {
    const own = new Map<string, string>([
      ['REQUEST', requestId],
      ['PSU', psuId],
      ['DEVICE', deviceId],
      ['ACCOUNT', accountId],
    ]);
    for (const secret of secrets) own.set(secret, systemIds.secret());
    for (const id of eventIds) own.set(id, systemIds.derived(`${requestId} ${id}`));
    for (const time of times) own.set(time, String(at + Number(time) - FIRST_AT));
    return JSON.parse(pieces.map((piece) => own.get(piece) ?? piece).join('')) as StoredEvent[];
  };
};
