import { fcmPushSender } from '../../../src/adapters/push/fcm.ts';
import { grant, open as openGrant } from '../../../src/domain/grant/decider.ts';
import type { Ports } from '../../../src/engine.ts';
import { startConnectProxy } from '../../support/connect-proxy.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { startFcmServer } from '../../support/fcm-server.ts';
import { ask, secretTpp } from '../../support/tpp.ts';
import { type DiscoveryData, type NewerDiscoveryData, type Phone, type PushData, registerNewerPhone, registerPhone } from './phone.ts';

/** The scopes of what TPPs of the reference do, and of its administrators. */
const TPP_SCOPE = 'openid accounts payments fundsconfirmations';
const ADMIN_SCOPE = 'internal_push_device_list internal_push_device_view internal_push_device_delete';

export const OB_DISCOVERY = '/api/openbanking/ciba/push-auth/discovery-data';
export const ME = '/api/users/v1/me';
export const DEVICES = `${ME}/push-auth/devices`;

/** A bank that moved over: an engine, FCM, a TPP of the reference's profile and an administrator. */
export const startStage = async (settings: Record<string, string> = {}, ports: Partial<Ports> = {}) => {
  const fcm = await startFcmServer();
  const proxy = await startConnectProxy({ 'fcm.googleapis.com:443': fcm.port, 'oauth2.googleapis.com:443': fcm.port });
  const pushSender = await fcmPushSender({ serviceAccountFile: fcm.serviceAccountFile, proxy: proxy.url, caFile: fcm.caFile });
  const tested: TestEngine = await testEngine({ pushSender, ...ports }, settings);
  const tpp = await secretTpp(tested, {
    client_name: 'Sample TPP',
    profile: 'wso2-compat',
    scope: TPP_SCOPE,
    client_uri: 'https://tpp.example/',
  });
  const admin = await secretTpp(tested, { grant_types: ['client_credentials'], scope: ADMIN_SCOPE });

  const tokenOf = async (auth: Record<string, string>, scope: string): Promise<string> =>
    String((await tested.post('/oauth2/token', { ...auth, grant_type: 'client_credentials', scope })).body['access_token']);
  const call = (method: string, path: string, authorization: string | null, body?: unknown): Promise<Response> =>
    fetch(tested.url + path, {
      method,
      headers: { ...(authorization && { authorization }), ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  const as = (username: string) => `Basic ${Buffer.from(`${username}:${username}`).toString('base64')}`;
  const discover = async <Data>(username: string, path: string): Promise<Data> =>
    (await call('GET', path, as(username))).json() as Promise<Data>;

  /** The pushes that reached a phone so far. */
  const pushesTo = (pushId: string): PushData[] =>
    fcm.messages.filter(({ message }) => message.token === pushId).map(({ message }) => message.data ?? {});

  /** The n-th push that reaches a phone. */
  const push = (pushId: string, n = 1): Promise<PushData> =>
    new Promise((resolve) => {
      const look = () => {
        const data = pushesTo(pushId)[n - 1];
        if (data === undefined) return;
        applied.unsubscribe();
        resolve(data);
      };
      const applied = tested.engine.projections.applied.subscribe(look);
      look();
    });

  return {
    ...{ tested, fcm, tpp, tokenOf, call, as },
    ...{ push, pushesTo },
    adminToken: async (scope = ADMIN_SCOPE) => `Bearer ${await tokenOf(admin, scope)}`,
    discovery: (username = 'alice', path = OB_DISCOVERY) => discover<DiscoveryData>(username, path),
    newerDiscovery: (username = 'alice') => discover<NewerDiscoveryData>(username, `${ME}/push/discovery-data`),
    phone: async (username = 'alice', path = OB_DISCOVERY): Promise<Phone> => registerPhone(await discover<DiscoveryData>(username, path)),
    newerPhone: async (username = 'alice'): Promise<Phone> =>
      registerNewerPhone(await discover<NewerDiscoveryData>(username, `${ME}/push/discovery-data`)),
    /** An access token of a PSU with this scope. */
    async psuToken(psuId: string, scope: string): Promise<string> {
      const { ids, clock } = tested.ports;
      const token = ids.secret();
      const nobody = {
        consentId: null,
        requestId: null,
        authTime: clock(),
        acr: null,
        certificateThumbprint: null,
        dpopKeyThumbprint: null,
      };
      const at = clock();
      const opened = { ...nobody, clientId: tpp.client_id, psuId, scope, at, hasAuthorizationDetails: false };
      const issued = { tokenHash: ids.hash(token), scope, at, expiresAt: at + 600, certificateThumbprint: null, dpopKeyThumbprint: null };
      const id = ids.uuid();
      const command = { id, actor: { kind: 'engine', id: 'test' } as const, correlationId: id, causationId: null };
      const { position } = await tested.engine.decide(grant, id, openGrant(opened, issued, null), command);
      await tested.engine.readModels.reached(position);
      return `Bearer ${token}`;
    },
    /** The TPP lodges a consent and gives its id. */
    async lodge(path: string, scope: string, body: object): Promise<string> {
      const response = await fetch(`${tested.url}/open-banking/v3.1/${path}`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${await tokenOf(tpp, scope)}`,
          'content-type': 'application/json',
          'x-idempotency-key': tested.ports.ids.uuid(),
        },
        body: JSON.stringify(body),
      });
      const text = await response.text();
      if (response.status !== 201) throw new Error(`${response.status} ${text}`);
      return JSON.parse(text).Data.ConsentId;
    },
    ask: (parameters: Record<string, string> = {}) => ask(tested, tpp, parameters),
    poll: (authReqId: string) =>
      tested.post('/oauth2/token', { ...tpp, grant_type: 'urn:openid:params:grant-type:ciba', auth_req_id: authReqId }),
    async close() {
      try {
        await tested.close();
      } finally {
        await pushSender.close();
        await proxy.close();
        await fcm.close();
      }
    },
  };
};
export type Stage = Awaited<ReturnType<typeof startStage>>;

/** The status and the body of an answer. */
export const answerOf = async (answering: Promise<Response>): Promise<[status: number, body: unknown]> => {
  const response = await answering;
  const text = await response.text();
  return [response.status, text === '' ? '' : JSON.parse(text)];
};
