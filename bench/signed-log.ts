import { generateKeyPairSync, hash, type KeyObject } from 'node:crypto';
import { rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { systemIds } from '../src/adapters/clock.ts';
import { inMemoryEventStore } from '../src/adapters/event-store/in-memory.ts';
import { insertInto, makeTable } from '../src/adapters/event-store/sqlite-statements.ts';
import { detailTypes } from '../src/domain/authorization-details/registered.ts';
import { answer, cibaRequest, receive, redeem, retrieve } from '../src/domain/ciba-request/decider.ts';
import { client, register as registerClient } from '../src/domain/client/decider.ts';
import { clientMetadata } from '../src/domain/client/metadata.ts';
import { consent } from '../src/domain/consent/decider.ts';
import { makeDecide, makeLoad } from '../src/domain/decide.ts';
import { device, offer, register } from '../src/domain/device/decider.ts';
import { grant, open } from '../src/domain/grant/decider.ts';
import { makePersist } from '../src/domain/persist.ts';
import type { StoredEvent } from '../src/domain/ports/event-store.ts';
import type { Sealer } from '../src/domain/ports/sealer.ts';
import { attempted, push, pushIdOf } from '../src/domain/push/decider.ts';
import { signEs256 } from './es256.ts';

interface Phone {
  deviceId: string;
  psuId: string;
  keyThumbprint: string;
  privateKey: KeyObject;
}

const CLIENT = 'tpp';
const START = 1_790_000_000;
const AT_ONCE = 500;
const PADDING = 'what was shown, about as long as a real one '.repeat(12);

const by = (kind: 'client' | 'device' | 'operator', id: string, correlationId: string) => ({
  ...{ id: systemIds.uuid(), actor: { kind, id }, correlationId, causationId: null },
});

/** What ceremonies are made with: real decisions at a moment, over a store of their own. */
const deciding = (sealer: Sealer, at: number) => {
  const store = inMemoryEventStore({ now: () => at * 1000 });
  const ids = systemIds;
  const decide = makeDecide({ store, sealer, ids });
  const load = makeLoad(store);
  return { store, ids, at, decide, load, persist: makePersist({ decide, load, sealer, ids }) };
};
type Deciding = ReturnType<typeof deciding>;

/** The client, and a phone with a key of its own for each PSU. */
const enrol = async ({ decide, ids, at }: Deciding, psus: number): Promise<Phone[]> => {
  const metadata = clientMetadata.parse({
    ...{ client_name: 'TPP', profile: 'plain', token_endpoint_auth_method: 'private_key_jwt' },
    jwks: { keys: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }] },
  });
  await decide(client, CLIENT, registerClient(metadata, null, at), by('operator', 'bench', CLIENT));
  const phones: Phone[] = [];
  for (let n = 0; n < psus; n += 1) {
    const [psuId, deviceId] = [`psu-${n}`, ids.uuid()];
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
    const jwk = { kty: 'EC' as const, crv: 'P-256' as const, x, y };
    const keyThumbprint = hash('sha256', JSON.stringify({ crv: jwk.crv, kty: jwk.kty, x, y }), 'base64url');
    const challengeHash = ids.hash(deviceId);
    await decide(device, deviceId, offer({ psuId, challengeHash, at, expiresAt: at + 60 }), by('operator', 'bench', deviceId));
    const stated = {
      name: 'Phone',
      model: 'Bench',
      pushToken: 'token',
      dialect: 'countersign' as const,
      publicKey: jwk,
      keyThumbprint,
      at,
    };
    const registration = register({ ...stated, challengeHash }, () => null);
    await decide(device, deviceId, registration, by('device', deviceId, deviceId));
    phones.push({ deviceId, psuId, keyThumbprint, privateKey });
  }
  return phones;
};

/** One ceremony, whose answer the phone has signed: ten facts. */
const ceremony = async (
  { decide, load, persist, ids, at }: Deciding,
  { deviceId, psuId, keyThumbprint, privateKey }: Phone,
): Promise<void> => {
  const requestId = at.toString(36).padStart(8, '0') + ids.secret();
  const of = { clientId: CLIENT, psuId, consentId: requestId, scope: 'openid accounts', acr: null };
  const unbound = { certificateThumbprint: null, dpopKeyThumbprint: null };
  const terms = { consentOrigin: 'request' as const, intervalSeconds: 5, deliveryMode: 'poll' as const, supersedes: null };
  const received = { ...of, ...unbound, ...terms, at, expiresAt: at + 300 };
  const nothing = { authorizationDetails: null, requestContext: null, notificationToken: null, authReqId: null };
  await decide(cibaRequest, requestId, receive(received, { bindingMessage: 'Payment 1', ...nothing }), by('client', CLIENT, requestId));
  const attempt = { requestId, deviceId, tokenRevision: 1, psuId, at, requestExpiresAt: at + 300, mayRepeat: false };
  await decide(push, pushIdOf(attempt), attempted(attempt, { outcome: 'accepted', messageId: 'm' }), by('device', deviceId, requestId));
  const shown = JSON.stringify({
    ...{ accounts: [{ account_id: 'account-1', display_name: 'Account' }], binding_message: 'Payment 1', client: { client_id: CLIENT } },
    ...{ consent: null, request_id: requestId, salt: ids.secret(), scope: of.scope, text: PADDING },
  });
  const showing = { psuId, deviceId, sessionId: null, digest: ids.hash(shown), nonce: ids.secret(), consentRevision: -1, at };
  await decide(cibaRequest, requestId, retrieve(showing, shown), by('device', deviceId, requestId));
  const { digest, nonce } = showing;
  const chosen = { accountIds: ['account-1'], authorizationDetails: null };
  const claims = {
    aud: 'https://bank.example',
    request_id: requestId,
    device_id: deviceId,
    digest,
    nonce,
    verdict: 'approved',
    exp: at + 60,
  };
  const header = { typ: 'consent-answer+jwt', kid: deviceId };
  const jws = signEs256(header, { ...claims, account_ids: chosen.accountIds }, privateKey);
  const given = { psuId, deviceId, digest, nonce, ...chosen, verdict: 'approved' as const, keyThumbprint, jws, at };
  const parts = { asked: () => null, offered: () => chosen.accountIds, chosen: () => chosen };
  const approval = answer(given, { status: 'absent', revision: -1 }, parts, detailTypes);
  await decide(cibaRequest, requestId, approval, by('device', deviceId, requestId));
  await persist(requestId);
  const redemption = { clientId: CLIENT, ...unbound, consent: await load(consent, requestId), grantId: requestId, at };
  await decide(cibaRequest, requestId, redeem(redemption), by('client', CLIENT, requestId));
  const opened = { ...of, ...unbound, requestId, authTime: at, at, hasAuthorizationDetails: false };
  const accessToken = { tokenHash: ids.secret(), scope: of.scope, at, expiresAt: at + 3600, ...unbound };
  const refreshToken = { tokenHash: ids.secret(), at, expiresAt: at + 86_400 };
  await decide(grant, requestId, open(opened, accessToken, refreshToken), by('client', CLIENT, requestId));
};

/**
 * Writes a log of as many ceremonies, each decided and signed for itself, into a new file, and tells of each event. Gives how many there are.
 */
export const writeSignedLog = async (
  file: string,
  sealer: Sealer,
  { count, psus }: { count: number; psus: number },
  told: (event: StoredEvent) => void,
): Promise<number> => {
  for (const suffix of ['', '-wal', '-shm']) rmSync(file + suffix, { force: true });
  const db = new DatabaseSync(file);
  db.exec('pragma journal_mode=wal; pragma synchronous=off; pragma cache_size=-262144');
  makeTable(db);
  const insert = insertInto(db);
  let position = 0;
  const write = async ({ store }: Deciding) => {
    db.exec('begin');
    for (const event of await store.readAll(0, Number.MAX_SAFE_INTEGER)) {
      position += 1;
      const stored = { ...event, position };
      insert(stored);
      told(stored);
    }
    db.exec('commit');
  };
  const first = deciding(sealer, START);
  const phones = await enrol(first, psus);
  await write(first);
  for (let n = 0; n < count; n += AT_ONCE) {
    const some = deciding(sealer, START + n);
    for (let at = n; at < Math.min(n + AT_ONCE, count); at += 1) await ceremony(some, phones[at % psus] as Phone);
    await write(some);
  }
  db.exec('pragma wal_checkpoint(truncate)');
  db.close();
  return position;
};
