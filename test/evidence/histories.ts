import { generateKeyPairSync, hash, type KeyObject, sign } from 'node:crypto';
import canonicalize from 'canonicalize';
import { systemIds } from '../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { authentication, succeed } from '../../src/domain/authentication/decider.ts';
import {
  answer as answerInSession,
  authenticate,
  authorization,
  cancel as giveUp,
  redeem as redeemCode,
  request as requestAuthorization,
  show,
} from '../../src/domain/authorization/decider.ts';
import { makePersistAuthorization } from '../../src/domain/authorization/persist.ts';
import type { AuthorizationDetail } from '../../src/domain/authorization-details/detail-type.ts';
import { detailTypes } from '../../src/domain/authorization-details/registered.ts';
import {
  answer,
  cancel,
  cancelOwn,
  cibaRequest,
  expire,
  receive,
  redeem,
  refuseAnswer,
  retrieve,
} from '../../src/domain/ciba-request/decider.ts';
import { sessionDataKeyOf } from '../../src/domain/ciba-request/id.ts';
import { client, disable, register as registerClient, replaceOwn } from '../../src/domain/client/decider.ts';
import { CIBA_GRANT, clientMetadata } from '../../src/domain/client/metadata.ts';
import {
  amend,
  consent,
  covers,
  expire as expireConsent,
  type LodgedConsent,
  lodge,
  revoke as revokeConsent,
  uploadFile,
} from '../../src/domain/consent/decider.ts';
import { type Command, makeDecide, makeLoad } from '../../src/domain/decide.ts';
import { adopt } from '../../src/domain/device/adopt.ts';
import { device, offer, register, rename, replacePushToken, revoke as revokeDevice } from '../../src/domain/device/decider.ts';
import type { DevicePublicKey, Dialect } from '../../src/domain/device/events.ts';
import { sealingContext } from '../../src/domain/events.ts';
import { grant, open, openToPush, refresh, revokeAccessToken, revoke as revokeGrant } from '../../src/domain/grant/decider.ts';
import { OAuthError } from '../../src/domain/oauth-error.ts';
import { makePersist } from '../../src/domain/persist.ts';
import type { Actor, StoredEvent } from '../../src/domain/ports/event-store.ts';
import type { SealingKeys } from '../../src/domain/ports/sealer.ts';
import { erase, keysDestroyed, psu } from '../../src/domain/psu/decider.ts';
import { attempted, push, pushIdOf } from '../../src/domain/push/decider.ts';

/** Numbers between 0 and 1 that follow from a seed. */
export const randomFrom = (seed: number): (() => number) => {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

/** What a log is made of, and the keys of what is sealed in it. */
export interface History {
  events: readonly StoredEvent[];
  sealer: SealingKeys;
  /** The private keys of devices, by their ids. */
  deviceKeys: ReadonlyMap<string, KeyObject>;
}

interface Phone {
  deviceId: string;
  psuId: string;
  dialect: Dialect;
  keyThumbprint: string;
  privateKey: KeyObject;
}

const pairs: { privateKey: KeyObject; publicKey: KeyObject }[] = [
  ...Array.from({ length: 4 }, () => generateKeyPairSync('ec', { namedCurve: 'P-256' })),
  ...Array.from({ length: 2 }, () => generateKeyPairSync('ed25519')),
  ...Array.from({ length: 2 }, () => generateKeyPairSync('rsa', { modulusLength: 2048 })),
];
const [EC, OKP, RSA] = [pairs.slice(0, 4), pairs.slice(4, 6), pairs.slice(6)];

/** A compact JWS by the key of a device. */
export const signed = (key: KeyObject, header: object, claims: object): string => {
  const alg = { ec: 'ES256', ed25519: 'EdDSA', rsa: 'RS256' }[key.asymmetricKeyType as 'ec' | 'ed25519' | 'rsa'];
  const input = [{ alg, ...header }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  const how = alg === 'ES256' ? { key, dsaEncoding: 'ieee-p1363' as const } : key;
  return `${input}.${sign(alg === 'EdDSA' ? null : 'sha256', Buffer.from(input), how).toString('base64url')}`;
};

const thumbprintOf = (publicKey: DevicePublicKey): string => {
  const { crv, e, kty, n, x, y } = publicKey as Record<string, string>;
  return hash('sha256', JSON.stringify({ crv, e, kty, n, x, y }), 'base64url');
};

const DETAIL: AuthorizationDetail = {
  type: 'account_information',
  actions: ['list_accounts', 'read_balances'],
  accounts: [{ accountId: 'a-1' }, { accountId: 'a-2' }],
};
const LESS: AuthorizationDetail = { type: 'account_information', actions: ['list_accounts'], accounts: [{ accountId: 'a-2' }] };
const ISSUER = 'https://bank.example';
const REDIRECT_URI = 'https://tpp.example/back';
const UNBOUND = { certificateThumbprint: null, dpopKeyThumbprint: null };
const START = 1_790_000_000;
const MOST_SECONDS = 10;

/** What the keys of all histories are wrapped with. */
export const MASTER = Buffer.alloc(32, 7);

/** A log of as many stories, told at the same time: real decisions, real signatures, and ends of all kinds. */
export const makeHistory = async (seed: number, stories = 12, keysFile = ':memory:'): Promise<History> => {
  const random = randomFrom(seed);
  const chance = (share: number) => random() < share;
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
  let secrets = 0;
  const secret = () => {
    secrets += 1;
    return hash('sha256', `${seed} ${secrets}`, 'base64url');
  };
  const ids = { ...systemIds, secret, uuid: () => systemIds.derived(secret()), orderedSecret: () => START.toString(36) + secret() };
  let at = START;
  const store = inMemoryEventStore({ now: () => at * 1000 + Math.floor(random() * 1000) });
  const sealer = psuKeys(keysFile, MASTER);
  const decide = makeDecide({ store, sealer, ids });
  const load = makeLoad(store);
  const persist = makePersist({ decide, load, sealer, ids });
  const persistAuthorization = makePersistAuthorization({ decide, load, sealer, ids });
  const by = (kind: Actor['kind'], id: string, correlationId: string, causationId: string | null = null): Command => ({
    ...{ id: ids.uuid(), actor: { kind, id }, correlationId, causationId },
  });

  const clientIds = ['tpp-1', 'tpp-2'];
  const psuIds = ['alice', 'bob', 'zoë'];
  const phones: Phone[] = [];
  const deviceKeys = new Map<string, KeyObject>();
  const standing: { clientId: string; psuId: string; consentId: string; requestId: string; answeredAt: number; scope: string }[] = [];
  const erased = new Set<string>();

  const registerAClient = (clientId: string) => {
    const metadata = clientMetadata.parse({
      ...{ client_name: clientId, profile: 'plain', token_endpoint_auth_method: 'private_key_jwt' },
      ...{ jwks: { keys: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }] }, redirect_uris: [REDIRECT_URI], response_types: ['code'] },
      grant_types: [CIBA_GRANT, 'authorization_code', 'client_credentials', 'refresh_token'],
    });
    return decide(client, clientId, registerClient(metadata, null, at), by('operator', 'admin', clientId));
  };

  const enrol = async (psuId: string, dialect: Dialect) => {
    const deviceId = ids.uuid();
    const { privateKey, publicKey } = pick(dialect === 'countersign' ? (chance(0.7) ? EC : OKP) : RSA);
    const { kty, crv, x, y, n, e } = publicKey.export({ format: 'jwk' });
    const jwk = JSON.parse(JSON.stringify({ kty, crv, x, y, n, e })) as DevicePublicKey;
    const keyThumbprint = thumbprintOf(jwk);
    const stated = { publicKey: jwk, keyThumbprint, dialect, name: 'A phone', model: 'Test', pushToken: chance(0.7) ? secret() : null, at };
    if (dialect !== 'countersign' && chance(0.3))
      await decide(device, deviceId, adopt({ psuId, ...stated }), by('operator', 'import', deviceId));
    else {
      const challenge = secret();
      const offered = { psuId, challengeHash: ids.hash(challenge), at, expiresAt: at + 300 };
      await decide(device, deviceId, offer(offered, dialect === 'countersign' ? null : challenge), by('psu', psuId, deviceId));
      const registration = register({ ...stated, challengeHash: ids.hash(challenge) }, () => null);
      await decide(device, deviceId, registration, by('device', deviceId, deviceId));
    }
    phones.push({ deviceId, psuId, dialect, keyThumbprint, privateKey });
    deviceKeys.set(deviceId, privateKey);
  };

  for (const clientId of clientIds) await registerAClient(clientId);
  for (const psuId of psuIds) await enrol(psuId, 'countersign');

  const terms = (content: { permissions: string[] }, expiresAt: number | null) => ({
    content: {
      ...{ kind: 'account-access' as const, permissions: content.permissions, expirationDateTime: null },
      ...{ transactionFromDateTime: null, transactionToDateTime: null },
    },
    expiresAt,
  });
  const receiptOf = (permissions: string[]) => ({ Data: { Permissions: permissions }, Risk: {} });

  const lodgeConsent = async (clientId: string, authorisers: string[], awaitsUpload: boolean): Promise<string> => {
    const consentId = ids.uuid();
    const asked = terms({ permissions: ['ReadBalances'] }, chance(0.3) ? at + 200 + Math.floor(random() * 400) : null);
    const lodged = {
      ...{ clientId, consentType: 'accounts' as const, ...asked, authorisers, recurring: true, frequency: 4, awaitsUpload },
      ...{ idempotency: chance(0.3) ? { keyHash: secret(), requestHash: secret() } : null, at },
    };
    await decide(consent, consentId, lodge(lodged, receiptOf(['ReadBalances'])), by('client', clientId, consentId));
    if (awaitsUpload)
      await decide(consent, consentId, uploadFile({ digest: secret(), size: 3, at }, 'abc'), by('client', clientId, consentId));
    return consentId;
  };

  const accessToken = (consentExpiresAt: number | null, scope: string) => ({
    ...{ tokenHash: secret(), at, expiresAt: Math.min(at + 3600, consentExpiresAt ?? Number.POSITIVE_INFINITY), scope, ...UNBOUND },
  });

  /** Uses a refresh token, with its successor or without. */
  async function* refreshing(clientId: string, consentId: string, grantId: string, tokenHash: string, scope: string) {
    const rotates = chance(0.5);
    for (let used = tokenHash; chance(0.6); ) {
      yield;
      const state = await load(consent, consentId);
      if (!covers(state, grantId, at) || (await load(client, clientId)).status !== 'active') return;
      const successor = rotates ? { tokenHash: secret(), nonce: secret() } : null;
      const use = { clientId, tokenHash: used, binding: UNBOUND, at };
      await decide(
        grant,
        grantId,
        refresh(use, accessToken(state.status === 'absent' ? null : state.expiresAt, scope), successor),
        by('client', clientId, consentId),
      );
      if (successor !== null && chance(0.85)) used = successor.tokenHash;
    }
    if (chance(0.3)) await decide(grant, grantId, revokeAccessToken(secret(), at), by('client', clientId, consentId));
    if (chance(0.3)) await decide(grant, grantId, revokeGrant({ reason: 'token_revoked', at }), by('client', clientId, consentId));
  }

  /** A request over the back channel, from its receipt to its tokens. */
  async function* ciba() {
    const clientId = pick(clientIds);
    const psuId = pick(psuIds);
    const requestId = ids.orderedSecret();
    const isOwn = chance(0.5);
    const others = chance(0.3) ? psuIds.filter((one) => one !== psuId && chance(0.5)) : [];
    const consentId = isOwn ? requestId : await lodgeConsent(clientId, others.length > 0 ? [psuId, ...others] : [], chance(0.2));
    yield;
    if (isOwn) yield* asking(clientId, psuId, consentId, requestId);
    else for (const one of [psuId, ...others]) yield* asking(clientId, one, consentId, ids.orderedSecret());
  }

  /** One PSU is asked over a consent: that of the request itself, where it has its id. */
  async function* asking(clientId: string, psuId: string, consentId: string, requestId: string) {
    const isOwn = consentId === requestId;
    const scope = 'openid accounts';
    const deliveryMode = chance(0.2) ? ('push' as const) : ('poll' as const);
    const authorizationDetails = chance(0.3) ? [DETAIL] : null;
    const bindingMessage = pick([null, 'Pay <1>', '42']);
    const asked = {
      bindingMessage,
      authorizationDetails,
      requestContext: chance(0.2) ? { shop: 'é' } : null,
      notificationToken: null,
      authReqId: null,
    };
    const received = {
      ...{
        clientId,
        psuId,
        consentId,
        consentOrigin: isOwn ? ('request' as const) : ('lodged' as const),
        scope,
        acr: chance(0.2) ? 'loa2' : null,
      },
      ...{ ...UNBOUND, intervalSeconds: 5, deliveryMode, supersedes: null, at, expiresAt: at + pick([60, 300, 600]) },
    };
    if (erased.has(psuId) || (await load(client, clientId)).status !== 'active') return;
    await decide(cibaRequest, requestId, receive(received, asked), by('client', clientId, consentId));
    yield;
    const mine = phones.filter((phone) => phone.psuId === psuId);
    const inSession = chance(0.2);
    const phone = pick(mine);
    if (chance(0.05)) {
      await decide(cibaRequest, requestId, cancelOwn({ clientId, at }), by('client', clientId, consentId));
      return;
    }
    const offered = chance(0.7) ? ['a-1', 'a-2'] : [];
    let sessionId: string | null = null;
    if (inSession) {
      sessionId = secret();
      const attempt = { flow: 'ciba' as const, step: 'basic' as const, deviceId: null, requestId: null, psuChannel: 'web', at, psuId };
      await decide(authentication, sessionId, succeed(attempt), by('psu', psuId, sessionId));
      yield;
    }
    const place = sessionId === null ? { deviceId: phone.deviceId, sessionId: null } : { deviceId: null, sessionId };
    const whole = chance(0.9);
    const challenge = ids.uuid();
    const isPhone = sessionId === null && phone.dialect !== 'countersign';
    const showOn = async (insteadOfDigest?: string) => {
      const state = isOwn ? consent.initial : await load(consent, consentId);
      const body = {
        accounts: offered.map((account_id) => ({ account_id, display_name: 'é' })),
        authorization_details: authorizationDetails,
      };
      const shown = isPhone
        ? JSON.stringify({
            ...{
              body: 'x',
              data: { [phone.dialect === 'push' ? 'pushId' : 'sessionDataKey']: sessionDataKeyOf(requestId), challenge },
              whole,
            },
            ...{ ...body, binding_message: bindingMessage },
          })
        : (canonicalize({
            ...{
              request_id: requestId,
              client: { client_id: clientId, client_name: 'é' },
              scope,
              binding_message: bindingMessage,
              ...body,
            },
            ...{ consent: isOwn ? null : { consent_id: consentId }, salt: secret() },
          }) as string);
      const data = {
        ...{ psuId, ...place, digest: ids.hash(shown), nonce: isPhone ? ids.hash(challenge) : secret() },
        ...{ consentRevision: state.revision, at },
      };
      await decide(
        cibaRequest,
        requestId,
        retrieve(data, shown, insteadOfDigest),
        by(inSession ? 'psu' : 'device', inSession ? psuId : phone.deviceId, consentId),
      );
      return data;
    };
    if ((await load(device, phone.deviceId)).status !== 'active') return;
    const attempt = {
      requestId,
      deviceId: phone.deviceId,
      tokenRevision: 1,
      psuId,
      at,
      requestExpiresAt: received.expiresAt,
      mayRepeat: false,
    };
    await decide(push, pushIdOf(attempt), attempted(attempt, { outcome: 'accepted', messageId: 'm' }), by('engine', 'push', consentId));
    let showing = await showOn();
    yield;
    const isAskedAgain = chance(0.2) && !erased.has(psuId) && (inSession || (await load(device, phone.deviceId)).status === 'active');
    if (isAskedAgain) showing = await showOn(showing.digest);
    if (chance(0.1)) {
      const refusal = refuseAnswer({ deviceId: phone.deviceId, reason: 'challenge', at });
      await decide(cibaRequest, requestId, refusal, by('device', phone.deviceId, consentId));
    }
    if (chance(0.08)) {
      while (at < received.expiresAt) yield;
      await decide(cibaRequest, requestId, expire(at), by('engine', 'expire-requests', consentId));
      return;
    }
    if (!inSession && (await load(device, phone.deviceId)).status !== 'active') return;
    if (erased.has(psuId)) return;
    const standingRequest = await load(cibaRequest, requestId);
    if (standingRequest.status === 'absent') return;
    const last = standingRequest.retrievals.findLast((one) => one.digest === showing.digest) ?? standingRequest.retrievals.at(-1);
    if (last === undefined) return;
    const verdict = (isPhone && !whole) || chance(0.15) ? ('denied' as const) : ('approved' as const);
    const accountIds = verdict === 'denied' ? [] : offered.filter((_, index) => index === 0 || chance(0.5));
    const narrowed = verdict === 'approved' && !isPhone && authorizationDetails !== null && chance(0.5) ? [LESS] : null;
    const jws = signedAnswer(phone, {
      requestId,
      digest: last.digest,
      nonce: last.nonce,
      challenge,
      verdict,
      accountIds,
      narrowed,
      bindingMessage,
    });
    const parts = { asked: () => authorizationDetails, offered: () => offered, chosen: () => ({ accountIds, authorizationDetails }) };
    const given = { verdict, psuId, digest: last.digest, nonce: last.nonce, accountIds, authorizationDetails: narrowed, at };
    const consentState = isOwn ? consent.initial : await load(consent, consentId);
    const signs = { ...given, deviceId: phone.deviceId, keyThumbprint: phone.keyThumbprint, jws };
    const answers = sessionId === null ? signs : { ...given, deviceId: null, sessionId };
    const decision = answer(answers, consentState, parts, detailTypes);
    await decide(cibaRequest, requestId, decision, by(inSession ? 'psu' : 'device', inSession ? psuId : phone.deviceId, consentId));
    if (chance(0.3)) yield;
    await persist(requestId);
    yield;
    yield* redeeming(clientId, psuId, consentId, requestId, scope, deliveryMode);
  }

  const signedAnswer = (
    { deviceId, dialect, privateKey }: Phone,
    given: {
      requestId: string;
      digest: string;
      nonce: string;
      challenge: string;
      verdict: 'approved' | 'denied';
      accountIds: readonly string[];
      narrowed: readonly AuthorizationDetail[] | null;
      bindingMessage: string | null;
    },
  ): string => {
    const { requestId, digest, nonce, challenge, verdict, accountIds, narrowed, bindingMessage } = given;
    const session = sessionDataKeyOf(requestId);
    const mta = accountIds.length > 0 ? { mta: JSON.stringify({ approvedAccountIds: accountIds }) } : {};
    if (dialect === 'push-auth') {
      const claims = { iss: 'wso2verify', aud: `${ISSUER}/`, sid: session, chg: challenge, exp: at + 60, ...mta };
      return signed(privateKey, { did: deviceId }, { ...claims, res: verdict === 'approved' ? 'SUCCESSFUL' : 'DENIED' });
    }
    if (dialect === 'push') {
      const claims = { pushAuthId: session, challenge, exp: at + 60, ...mta, numberChallenge: bindingMessage };
      return signed(privateKey, { deviceId }, { ...claims, response: verdict === 'approved' ? 'APPROVED' : 'DENIED' });
    }
    const claims = {
      aud: ISSUER,
      request_id: requestId,
      device_id: deviceId,
      digest,
      nonce,
      verdict,
      account_ids: accountIds,
      exp: at + 60,
    };
    return signed(
      privateKey,
      { typ: 'consent-answer+jwt', kid: deviceId },
      { ...claims, ...(narrowed !== null && { authorization_details: narrowed }) },
    );
  };

  async function* redeeming(
    clientId: string,
    psuId: string,
    consentId: string,
    requestId: string,
    scope: string,
    deliveryMode: 'poll' | 'push',
  ) {
    const readAt = at;
    const consentState = await load(consent, consentId);
    if ((await load(client, clientId)).status !== 'active') return;
    // What was read may have ended when it is decided on.
    if (chance(0.2)) yield;
    if (at > readAt + MOST_SECONDS) return;
    const redeemedAt = at;
    const engine = deliveryMode === 'push' ? by('engine', 'push-tokens', consentId) : by('client', clientId, consentId);
    const redemption = redeem({ clientId, ...UNBOUND, consent: consentState, grantId: requestId, at });
    const { state } = await decide(cibaRequest, requestId, redemption, engine);
    if (state.status === 'absent' || consentState.status === 'absent') return;
    if (chance(0.2)) yield;
    // A call takes no longer than this.
    if (at > redeemedAt + MOST_SECONDS) return;
    const { answer: given, acr } = state;
    const opened = {
      ...{ clientId, psuId, consentId, requestId, authTime: given?.at ?? at, acr, scope, at, ...UNBOUND },
      hasAuthorizationDetails: consentState.authorisation?.hasAuthorizationDetails ?? false,
    };
    const refreshToken = chance(0.6) ? { tokenHash: secret(), at, expiresAt: at + 86_400 } : null;
    const token = accessToken(consentState.expiresAt, scope);
    const decision =
      deliveryMode === 'push' ? openToPush(opened, token, refreshToken, '{"access_token":"x"}') : open(opened, token, refreshToken);
    await decide(grant, requestId, decision, { ...engine, id: ids.uuid(), causationId: given?.eventId ?? null });
    standing.push({ clientId, psuId, consentId, requestId, answeredAt: given?.at ?? at, scope });
    if (refreshToken !== null) yield* refreshing(clientId, consentId, requestId, refreshToken.tokenHash, scope);
  }

  /** A request of the redirect flow. */
  async function* code() {
    const clientId = pick(clientIds);
    const psuId = pick(psuIds);
    const requestId = secret();
    const isOwn = chance(0.5);
    const consentId = isOwn ? requestId : await lodgeConsent(clientId, [], false);
    if (erased.has(psuId) || (await load(client, clientId)).status !== 'active') return;
    const scope = 'openid accounts';
    const authorizationDetails = chance(0.3) ? [DETAIL] : null;
    const hinted = chance(0.5);
    const requested = {
      ...{ clientId, psuId: hinted ? psuId : `client ${clientId}`, requiredPsuId: hinted ? psuId : null, consentId },
      ...{ consentOrigin: isOwn ? ('request' as const) : ('lodged' as const), pushed: true, silent: false, redirectUri: REDIRECT_URI },
      ...{ responseType: 'code' as const, responseMode: 'query' as const, scope, acr: null, codeChallenge: null, dpopKeyThumbprint: null },
      ...{ at, startBy: at + 90, expiresAt: at + 600 },
    };
    const asked = { state: null, nonce: null, loginHint: 'é', authorizationDetails };
    await decide(authorization, requestId, requestAuthorization(requested, asked), by('client', clientId, consentId));
    yield;
    if (chance(0.1)) {
      await decide(authorization, requestId, giveUp(at), by('engine', 'browser', consentId));
      return;
    }
    const sessionId = secret();
    const steps: 'basic'[] = ['basic'];
    await decide(authorization, requestId, authenticate({ psuId, sessionId, steps, at }), by('psu', psuId, consentId));
    yield;
    const offered = ['a-1', 'a-2'];
    const consentState = await load(consent, consentId);
    const shown = canonicalize({
      ...{ request_id: requestId, client: { client_id: clientId, client_name: 'é', redirect_uri: REDIRECT_URI }, scope, salt: secret() },
      ...{ accounts: offered.map((account_id) => ({ account_id, display_name: 'é' })), authorization_details: authorizationDetails },
      consent: isOwn ? null : { consent_id: consentId },
    }) as string;
    const data = { psuId, sessionId, digest: ids.hash(shown), nonce: secret(), consentRevision: consentState.revision, at };
    await decide(authorization, requestId, show(data, shown), by('psu', psuId, consentId));
    yield;
    if (erased.has(psuId)) return;
    const verdict = chance(0.2) ? ('denied' as const) : ('approved' as const);
    const accountIds = verdict === 'denied' ? [] : ['a-1'];
    const opened = {
      ...{ offered: () => offered, chosen: () => ({ accountIds, authorizationDetails: null }), details: authorizationDetails },
    };
    const given = { verdict, sessionId, digest: data.digest, nonce: data.nonce, accountIds, authorizationDetails: null };
    const answering = { ...given, codeHash: secret(), codeSeconds: 60, at };
    const decision = answerInSession(answering, await load(consent, consentId), opened, detailTypes);
    await decide(authorization, requestId, decision, by('psu', psuId, consentId));
    await persistAuthorization(requestId);
    yield;
    if ((await load(client, clientId)).status !== 'active') return;
    const now = await load(consent, consentId);
    const redemption = { clientId, codeHash: answering.codeHash, redirectUri: REDIRECT_URI, codeChallenge: null, dpopKeyThumbprint: null };
    const redeems = redeemCode({ ...redemption, consent: now, grantId: requestId, at });
    const { state } = await decide(authorization, requestId, redeems, by('client', clientId, consentId));
    if (state.status === 'absent' || now.status === 'absent') return;
    const authTime = state.sessions[0]?.at ?? at;
    const hasAuthorizationDetails = now.authorisation?.hasAuthorizationDetails ?? false;
    const grantOf = { clientId, psuId, consentId, requestId, authTime, acr: null, scope, at, ...UNBOUND, hasAuthorizationDetails };
    const refreshToken = { tokenHash: secret(), at, expiresAt: at + 86_400 };
    await decide(grant, requestId, open(grantOf, accessToken(now.expiresAt, scope), refreshToken), by('client', clientId, consentId));
    standing.push({ clientId, psuId, consentId, requestId, answeredAt: state.answer?.at ?? at, scope });
    yield* refreshing(clientId, consentId, requestId, refreshToken.tokenHash, scope);
  }

  /** Grants without a redemption: of a client's own, and by an assertion over a consent that stands. */
  async function* assertion() {
    yield;
    const clientId = pick(clientIds);
    if ((await load(client, clientId)).status !== 'active') return;
    const nobody = { psuId: null, consentId: null, requestId: null, authTime: null, acr: null };
    const own = { ...nobody, clientId, scope: 'accounts', at, ...UNBOUND, hasAuthorizationDetails: false };
    const ownId = ids.uuid();
    await decide(grant, ownId, open(own, accessToken(null, 'accounts'), null), by('client', clientId, ownId));
    yield;
    const one = standing[0];
    if (one === undefined || (await load(client, one.clientId)).status !== 'active') return;
    const state = await load(consent, one.consentId);
    const request = await load(cibaRequest, one.requestId);
    if (state.status === 'absent' || !covers(state, one.requestId, at)) return;
    const grantId = ids.uuid();
    const { clientId: of, psuId, consentId, requestId } = one;
    const acr = request.status === 'absent' ? null : request.acr;
    const asserted = { clientId: of, psuId, consentId, requestId, authTime: one.answeredAt, acr, scope: 'accounts', at, ...UNBOUND };
    const opened = { ...asserted, hasAuthorizationDetails: state.authorisation?.hasAuthorizationDetails ?? false };
    await decide(grant, grantId, open(opened, accessToken(state.expiresAt, 'accounts'), null), by('client', of, consentId));
  }

  /** What happens to consents, devices, clients and PSUs meanwhile. */
  async function* life() {
    yield;
    const one = standing.at(-1);
    const what = random();
    if (what < 0.35 && one !== undefined) {
      const { consentId, clientId } = one;
      const state = await load(consent, consentId);
      if (state.status !== 'absent' && state.expiresAt !== null && at >= state.expiresAt)
        await decide(consent, consentId, expireConsent(at), by('engine', 'expire-consents', consentId));
      else if (chance(0.5)) await decide(consent, consentId, revokeConsent({ by: 'psu', at }), by('psu', one.psuId, consentId));
      else {
        const permissions = ['ReadBalances', secret()];
        const amended = { ...terms({ permissions }, at + 5000), reason: 'asked for', at };
        await decide(
          consent,
          consentId,
          amend(amended, receiptOf(permissions), () => null),
          by('client', clientId, consentId),
        );
        yield;
        yield* asking(clientId, one.psuId, consentId, ids.orderedSecret());
      }
    } else if (what < 0.65) {
      const phone = pick(phones);
      const { deviceId, psuId } = phone;
      if (erased.has(psuId)) return;
      const at1 = by('device', deviceId, deviceId);
      const change = random();
      if (change < 0.4) await decide(device, deviceId, rename('Another', psuId, at), at1);
      else if (change < 0.6) await decide(device, deviceId, replacePushToken(secret(), at), at1);
      else await decide(device, deviceId, revokeDevice('psu', psuId, at), at1);
      yield;
      if (!erased.has(psuId)) await enrol(psuId, pick(['countersign', 'push-auth', 'push'] as const));
    } else if (what < 0.75) {
      const clientId = pick(clientIds);
      if (chance(0.5))
        await decide(
          client,
          clientId,
          replaceOwn((current) => ({ ...current, client_name: secret() }), at),
          by('client', clientId, clientId),
        );
      else {
        await decide(client, clientId, disable(at), by('operator', 'admin', clientId));
        const another = `tpp-${secret().slice(0, 6)}`;
        await registerAClient(another);
        clientIds.splice(clientIds.indexOf(clientId), 1, another);
      }
    } else if (what < 0.85) {
      const psuId = pick(psuIds.slice(1));
      if (erased.has(psuId)) return;
      erased.add(psuId);
      await decide(psu, psuId, erase({ psuId, reason: 'asked for it', at }), by('operator', 'admin', psuId));
      for (const { deviceId } of phones.filter((phone) => phone.psuId === psuId))
        await decide(device, deviceId, revokeDevice('operator', psuId, at), by('engine', 'erasure', psuId));
      await sealer.erase(psuId);
      await decide(psu, psuId, keysDestroyed({ psuId, at }), by('engine', 'erasure', psuId));
    } else {
      const consentId = await lodgeConsent(pick(clientIds), [], false);
      yield;
      const requestId = ids.orderedSecret();
      const { clientId } = (await load(consent, consentId)) as LodgedConsent;
      const steps = asking(clientId, pick(psuIds), consentId, requestId);
      await steps.next();
      if ((await load(cibaRequest, requestId)).status === 'pending')
        await decide(cibaRequest, requestId, cancel({ reason: 'consent_ended', at }), by('engine', 'cancel-requests', consentId));
    }
  }

  const waiting: (() => AsyncGenerator<void>)[] = Array.from({ length: stories }, () => {
    const what = random();
    return what < 0.5 ? ciba : what < 0.7 ? code : what < 0.8 ? assertion : life;
  });
  const running: AsyncGenerator<void>[] = [];
  while (waiting.length > 0 || running.length > 0) {
    if (waiting.length > 0 && (running.length < 4 || chance(0.2))) running.push((waiting.shift() as () => AsyncGenerator<void>)());
    const one = pick(running);
    at += chance(0.5) ? Math.floor(random() * 10) : 0;
    try {
      if ((await one.next()).done) running.splice(running.indexOf(one), 1);
    } catch (error) {
      // Somebody came too late, or something ended meanwhile: the story ends there.
      if (!(error instanceof OAuthError)) throw error;
      running.splice(running.indexOf(one), 1);
    }
  }
  return { events: await store.readAll(0, Number.MAX_SAFE_INTEGER), sealer, deviceKeys };
};

/** The key of the sealed part of an event, where it is left. */
export const eventKeyIn = ({ sealer }: History, event: StoredEvent): string | undefined => {
  if (event.sealed === null) return undefined;
  const { psuId = `${event.stream.slice(0, event.stream.indexOf('-'))} ${event.stream.slice(event.stream.indexOf('-') + 1)}` } = JSON.parse(
    event.data,
  );
  const context = sealingContext(event.stream, event.revision, event);
  return sealer.eventKey({ psuId, version: event.version, context, text: event.sealed }) ?? undefined;
};
