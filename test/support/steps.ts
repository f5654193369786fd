import { audit, record } from '../../src/domain/audit/decider.ts';
import { detailTypes } from '../../src/domain/authorization-details/registered.ts';
import {
  answer,
  cancel,
  cibaRequest,
  expire,
  lastRetrieval,
  receive,
  redeem,
  refuseAnswer,
  retrieve,
  type Verdict,
} from '../../src/domain/ciba-request/decider.ts';
import { client, disable, register as registerClient, replaceOwn } from '../../src/domain/client/decider.ts';
import { type ClientMetadata, clientMetadata } from '../../src/domain/client/metadata.ts';
import type { DeliveryMode } from '../../src/domain/client/profiles.ts';
import {
  amend,
  consent,
  expire as expireConsent,
  lodge,
  ofRequest,
  revoke as revokeConsent,
  uploadFile,
} from '../../src/domain/consent/decider.ts';
import { type Command, makeDecide, makeLoad } from '../../src/domain/decide.ts';
import {
  device,
  offer,
  pushTokenDied,
  register as registerDevice,
  rename,
  replacePushToken,
  revoke as revokeDevice,
} from '../../src/domain/device/decider.ts';
import { pushTokenOf } from '../../src/domain/device/described.ts';
import type { Dialect } from '../../src/domain/device/events.ts';
import { grant, open, openToPush, refresh, revokeAccessToken, revoke as revokeGrant } from '../../src/domain/grant/decider.ts';
import { type NotificationOutcome, notification, attempted as notified } from '../../src/domain/notification/decider.ts';
import { makePersist } from '../../src/domain/persist.ts';
import type { Clock, Ids } from '../../src/domain/ports/clock.ts';
import type { EventStore } from '../../src/domain/ports/event-store.ts';
import type { PushOutcome } from '../../src/domain/ports/push-sender.ts';
import type { Sealer } from '../../src/domain/ports/sealer.ts';
import { erase, expire as expireData, keysDestroyed, psu } from '../../src/domain/psu/decider.ts';
import { attempted, push, pushIdOf } from '../../src/domain/push/decider.ts';
import { publish, remove, replaceAtOnce, signingKey } from '../../src/domain/signing-key/decider.ts';
import { accounts, askedWith } from './ceremony-facts.ts';

const SCOPE = 'openid accounts';

/** The auth_req_id that a client of ping or push is told with this request. */
export const authReqIdOf = (requestId: string): string => `auth_req_id of ${requestId}`;

const ACCOUNTS = ['account-1', 'account-2'];

/** What happens to clients, devices, consents, requests and grants, step by step and with the real deciders; a refused step throws. */
export const steps = ({ store, sealer, clock, ids }: { store: EventStore; sealer: Sealer; clock: Clock; ids: Ids }) => {
  const decide = makeDecide({ store, sealer, ids });
  const load = makeLoad(store);
  const persist = makePersist({ decide, load, sealer, ids });

  const as = (kind: Command['actor']['kind'], id: string, correlationId: string): Command => ({
    id: ids.uuid(),
    actor: { kind, id },
    correlationId,
    causationId: null,
  });
  const metadata = (name: string, more: Partial<ClientMetadata> = {}) =>
    clientMetadata.parse({
      client_name: name,
      profile: 'plain',
      token_endpoint_auth_method: 'client_secret_post',
      tls_client_certificate_bound_access_tokens: false,
      ...more,
    });
  const requestOf = async (requestId: string) => {
    const request = await load(cibaRequest, requestId);
    if (request.status === 'absent') throw new Error(`no request ${requestId}`);
    return request;
  };
  const tokenHash = (grantId: string, n: number | string) => ids.hash(`${grantId}/${n}`);
  const accessToken = (grantId: string, n: number) => ({
    tokenHash: tokenHash(grantId, n),
    scope: SCOPE,
    certificateThumbprint: null,
    dpopKeyThumbprint: null,
    at: clock(),
    expiresAt: clock() + 600,
  });

  return {
    decide,
    load,
    persist,
    /** The hash of the n-th access token of a request's grant, which has the id of its request. */
    accessTokenOf: (requestId: string, n = 0) => tokenHash(requestId, n),

    registerClient: (clientId: string, more: Partial<ClientMetadata> = {}) =>
      decide(client, clientId, registerClient(metadata(clientId, more), ids.hash('secret'), clock()), as('operator', 'ops', clientId)),
    renameClient: (clientId: string, name: string) =>
      decide(
        client,
        clientId,
        replaceOwn((current) => ({ ...current, client_name: name }), clock()),
        as('client', clientId, clientId),
      ),
    disableClient: (clientId: string) => decide(client, clientId, disable(clock()), as('operator', 'ops', clientId)),

    readAsAuditor: (clientId: string, what: string) =>
      decide(audit, ids.uuid(), record({ clientId, purpose: 'a complaint', what, at: clock() }), as('operator', clientId, clientId)),

    /** One signing key after the other, and the first of them is gone. */
    changeSigningKeys: async () => {
      const by = { at: clock(), policy: { rotationSeconds: 86_400, leadSeconds: 900, tokenSeconds: 600 } };
      const key = (kid: string) => ({ kid, jwk: { kty: 'EC', crv: 'P-256', x: kid, y: kid } as const });
      for (const decision of [publish(key('first'), by), replaceAtOnce(key('second'), by), remove(clock() + 3600)])
        await decide(signingKey, 'ES256', decision, as('engine', 'rotate-signing-keys', 'signing-keys-ES256'));
    },

    /** The facts alone: no key goes. */
    erasePsu: async (psuId: string) => {
      await decide(psu, psuId, erase({ psuId, reason: 'case 4711', at: clock() }), as('operator', 'ops', psuId));
      await decide(psu, psuId, keysDestroyed({ psuId, at: clock() }), as('engine', 'erase-psus', psuId));
    },
    expireData: (psuId: string, period: string) =>
      decide(psu, psuId, expireData({ psuId, retention: 'request', period, at: clock() }), as('engine', 'expire-data', psuId)),

    offerEnrolment: (deviceId: string, psuId: string) =>
      decide(
        device,
        deviceId,
        offer({ psuId, challengeHash: 'challenge', at: clock(), expiresAt: clock() + 300 }),
        as('psu', psuId, deviceId),
      ),
    registerDevice: (deviceId: string, pushToken: string | null, dialect: Dialect = 'countersign') => {
      const publicKey = { kty: 'EC', crv: 'P-256', x: 'x'.repeat(43), y: 'y'.repeat(43) } as const;
      const statement = {
        challengeHash: 'challenge',
        publicKey,
        keyThumbprint: ids.hash(deviceId),
        dialect,
        name: 'Phone',
        model: 'One',
        pushToken,
      };
      const decision = registerDevice({ ...statement, at: clock() }, (known) => pushTokenOf(known, sealer));
      return decide(device, deviceId, decision, as('device', deviceId, deviceId));
    },
    replacePushToken: (deviceId: string, pushToken: string) =>
      decide(device, deviceId, replacePushToken(pushToken, clock()), as('device', deviceId, deviceId)),
    renameDevice: (deviceId: string, psuId: string, name: string) =>
      decide(device, deviceId, rename(name, psuId, clock()), as('psu', psuId, deviceId)),
    async loseToken(deviceId: string) {
      const state = await load(device, deviceId);
      const revision = state.status === 'active' ? (state.token?.revision ?? -1) : -1;
      return decide(device, deviceId, pushTokenDied(revision, clock()), as('engine', 'test', deviceId));
    },
    revokeDevice: (deviceId: string, psuId: string) =>
      decide(device, deviceId, revokeDevice('psu', psuId, clock()), as('psu', psuId, deviceId)),

    lodge: (consentId: string, clientId: string, lifeSeconds: number | null = null) => {
      const content = {
        kind: 'account-access' as const,
        permissions: ['ReadBalances'],
        expirationDateTime: null,
        transactionFromDateTime: null,
        transactionToDateTime: null,
      };
      const expiresAt = lifeSeconds === null ? null : clock() + lifeSeconds;
      const lodged = {
        ...ofRequest({ clientId, scope: '', at: clock() }),
        consentType: 'accounts' as const,
        content,
        expiresAt,
      };
      return decide(consent, consentId, lodge(lodged, null), as('client', clientId, consentId));
    },
    /** A consent that all of these PSUs must agree to, after its file has come. */
    lodgeJoint: (consentId: string, clientId: string, authorisers: string[]) => {
      const lodged = {
        ...ofRequest({ clientId, scope: '', at: clock() }),
        consentType: 'payments' as const,
        content: { kind: 'payment' as const, paymentType: 'file' as const },
        authorisers,
        awaitsUpload: true,
      };
      return decide(consent, consentId, lodge(lodged, { Data: { Initiation: {} }, Risk: {} }), as('client', clientId, consentId));
    },
    uploadFile: (consentId: string, file: string) =>
      decide(
        consent,
        consentId,
        uploadFile({ digest: ids.hash(file), size: file.length, at: clock() }, file),
        as('client', 'someone', consentId),
      ),
    async amendConsent(consentId: string, reason: string) {
      const state = await load(consent, consentId);
      if (state.status === 'absent') return;
      const { content, expiresAt } = state;
      const data = { content, expiresAt, reason, at: clock() };
      await decide(
        consent,
        consentId,
        amend(data, { Data: { reason }, Risk: {} }, () => null),
        as('client', state.clientId, consentId),
      );
    },
    revokeConsent: (consentId: string) =>
      decide(consent, consentId, revokeConsent({ by: 'psu', at: clock() }), as('psu', 'someone', consentId)),
    expireConsent: (consentId: string) => decide(consent, consentId, expireConsent(clock()), as('engine', 'test', consentId)),

    /** `consentId` is null for a request that brings its own consent. */
    ask: (
      requestId: string,
      by: { clientId: string; psuId: string; consentId: string | null; lifeSeconds?: number; deliveryMode?: DeliveryMode },
    ) => {
      const { clientId, psuId, lifeSeconds = 300, deliveryMode = 'poll' } = by;
      const consentId = by.consentId ?? requestId;
      const origin = by.consentId === null ? ('request' as const) : ('lodged' as const);
      const data = {
        ...{ clientId, psuId, consentId, consentOrigin: origin, scope: SCOPE, acr: null, certificateThumbprint: null, intervalSeconds: 5 },
        ...{ at: clock(), expiresAt: clock() + lifeSeconds, deliveryMode, dpopKeyThumbprint: null, supersedes: null },
      };
      const called = deliveryMode === 'poll' ? {} : { notificationToken: `token for ${requestId}`, authReqId: authReqIdOf(requestId) };
      const asked = { ...askedWith(`message of ${requestId}`), ...called };
      return decide(cibaRequest, requestId, receive(data, asked), as('client', clientId, consentId));
    },
    async push(requestId: string, deviceId: string, outcome: PushOutcome) {
      const { psuId, consentId, expiresAt } = await requestOf(requestId);
      const registered = await load(device, deviceId);
      const tokenRevision = (registered.status === 'active' ? registered.token?.revision : undefined) ?? 0;
      const attempt = { requestId, deviceId, tokenRevision, psuId, at: clock(), requestExpiresAt: expiresAt, mayRepeat: false };
      return decide(push, pushIdOf(attempt), attempted(attempt, outcome), as('engine', 'test', consentId));
    },
    /** An attempt to tell the client; nothing where the request goes on, or the client polls. */
    async notify(requestId: string, outcome: NotificationOutcome) {
      const { status, clientId, consentId, expiresAt, deliveryMode } = await requestOf(requestId);
      if (deliveryMode === 'poll' || status === 'pending') return;
      const attempt = { requestId, clientId, deliveryMode, at: clock(), requestExpiresAt: expiresAt, mayRepeat: false };
      await decide(notification, requestId, notified(attempt, outcome, 0), as('engine', 'test', consentId));
    },
    async show(requestId: string, deviceId: string) {
      const { psuId, consentId } = await requestOf(requestId);
      const { revision } = await load(consent, consentId);
      const bound = { digest: ids.hash(ids.uuid()), nonce: ids.uuid(), consentRevision: revision };
      const data = { psuId, deviceId, sessionId: null, ...bound, at: clock() };
      return decide(cibaRequest, requestId, retrieve(data, `what ${deviceId} shows`), as('device', deviceId, consentId));
    },
    /** The answer alone: it has not become the consent's yet. */
    async answer(requestId: string, deviceId: string, verdict: Verdict) {
      const request = await requestOf(requestId);
      const { psuId, consentId } = request;
      const { digest = '', nonce = '' } = lastRetrieval(request, deviceId) ?? {};
      const signed = {
        verdict,
        psuId,
        deviceId,
        keyThumbprint: ids.hash(deviceId),
        digest,
        nonce,
        accountIds: ACCOUNTS,
        authorizationDetails: null,
        jws: 'a.b.c',
        at: clock(),
      };
      return decide(
        cibaRequest,
        requestId,
        answer(signed, await load(consent, consentId), accounts(ACCOUNTS, ACCOUNTS), detailTypes),
        as('device', deviceId, consentId),
      );
    },
    async refuseAnswer(requestId: string, deviceId: string) {
      const { consentId } = await requestOf(requestId);
      return decide(
        cibaRequest,
        requestId,
        refuseAnswer({ deviceId, reason: 'challenge', at: clock() }),
        as('device', deviceId, consentId),
      );
    },
    async cancel(requestId: string) {
      const { consentId } = await requestOf(requestId);
      return decide(cibaRequest, requestId, cancel({ reason: 'consent_ended', at: clock() }), as('engine', 'test', consentId));
    },
    async expire(requestId: string) {
      const { consentId } = await requestOf(requestId);
      return decide(cibaRequest, requestId, expire(clock()), as('engine', 'test', consentId));
    },
    async redeem(requestId: string) {
      const { clientId, consentId } = await requestOf(requestId);
      const by = {
        clientId,
        certificateThumbprint: null,
        consent: await load(consent, consentId),
        grantId: requestId,
        at: clock(),
      };
      return decide(cibaRequest, requestId, redeem(by), as('client', clientId, consentId));
    },

    /** The grant of a request that was redeemed. */
    async openGrant(requestId: string) {
      const { clientId, psuId, consentId, deliveryMode } = await requestOf(requestId);
      const unbound = { certificateThumbprint: null, dpopKeyThumbprint: null, hasAuthorizationDetails: false };
      const opened = { clientId, psuId, consentId, requestId, authTime: clock(), acr: null, scope: SCOPE, at: clock(), ...unbound };
      const refreshToken = { tokenHash: tokenHash(requestId, 'refresh'), at: clock(), expiresAt: clock() + 6000 };
      const first = accessToken(requestId, 0);
      const decision =
        deliveryMode === 'push' ? openToPush(opened, first, refreshToken, `response of ${requestId}`) : open(opened, first, refreshToken);
      return decide(grant, requestId, decision, as('client', clientId, consentId));
    },
    async refresh(requestId: string, n: number) {
      const { clientId, consentId } = await requestOf(requestId);
      const binding = { certificateThumbprint: null, dpopKeyThumbprint: null };
      const state = await load(grant, requestId);
      const current = state.status === 'absent' ? '' : (state.refreshToken?.tokenHash ?? '');
      const by = { clientId, tokenHash: current, binding, at: clock() };
      // Every second use replaces the token.
      const successor = n % 2 === 0 ? null : { tokenHash: tokenHash(requestId, `refresh-${n}`), nonce: `nonce-${n}` };
      return decide(grant, requestId, refresh(by, accessToken(requestId, n), successor), as('client', clientId, consentId));
    },
    async revokeToken(requestId: string, n: number) {
      const { clientId, consentId } = await requestOf(requestId);
      return decide(grant, requestId, revokeAccessToken(tokenHash(requestId, n), clock()), as('client', clientId, consentId));
    },
    async revokeGrant(requestId: string) {
      const { clientId, consentId } = await requestOf(requestId);
      return decide(grant, requestId, revokeGrant({ reason: 'token_revoked', at: clock() }), as('client', clientId, consentId));
    },
  };
};
export type Steps = ReturnType<typeof steps>;
