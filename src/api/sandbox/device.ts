import { createPrivateKey, generateKeyPairSync, type JsonWebKey, type KeyObject, sign } from 'node:crypto';
import type { Decide, Load } from '../../domain/decide.ts';
import { device, offer } from '../../domain/device/decider.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import { STATEMENT } from '../approver/device-auth.ts';
import type { Reply } from '../reply.ts';
import type { Route } from '../route.ts';
import { PATHS } from '../surface.ts';

/** The key of a sandbox device, in the open: it answers for nobody but a PSU of a sandbox. */
export interface SandboxKey {
  deviceId: string;
  privateJwk: JsonWebKey;
}

/** Where sandbox devices are kept between starts: one of each PSU. */
export interface SandboxKeys {
  get(psuId: string): SandboxKey | undefined;
  put(psuId: string, key: SandboxKey): void;
}

const ENROLMENT_SECONDS = 60;
const ANSWER_SECONDS = 60;

/** The device of a PSU that no person holds: it proves its key and signs as a phone does, and calls the handlers that a phone calls. */
export interface SandboxDevice {
  /** What waits, as it is shown: the retrieval is a fact. */
  retrieve(requestId: string): Promise<{ shown: string; digest: string; nonce: string }>;
  answer(requestId: string, verdict: 'approved' | 'denied'): Promise<Reply>;
}

/** Gives the device of a PSU, which is enrolled at the first time of asking and again after it was revoked. */
export const makeSandboxDevices = (deps: {
  routes: readonly Route[];
  decide: Decide;
  load: Load;
  keys: SandboxKeys;
  clock: Clock;
  ids: Ids;
  issuer: string;
}): ((psuId: string) => Promise<SandboxDevice>) => {
  const { routes, decide, load, keys, clock, ids, issuer } = deps;
  const enrolling = new Map<string, Promise<SandboxKey>>();

  const call = async (method: Route['method'], path: string, requestId: string, sent: { authorization?: string; body?: object }) => {
    const route = routes.find((one) => one.method === method && one.path === path);
    if (route === undefined) throw new Error(`there is no ${method} ${path}`);
    const text = sent.body === undefined ? '' : JSON.stringify(sent.body);
    return route.handle({
      method,
      target: path.replace('{request_id}', requestId),
      params: { request_id: requestId },
      headers: {
        ...(sent.authorization !== undefined && { authorization: sent.authorization }),
        ...(text !== '' && { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(text)) }),
      },
      certificate: null,
      text: async () => text,
      closed: new AbortController().signal,
    });
  };

  const enrol = async (psuId: string): Promise<SandboxKey> => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { kty, crv, x, y } = publicKey.export({ format: 'jwk' });
    const key = { deviceId: ids.uuid(), privateJwk: privateKey.export({ format: 'jwk' }) };
    const { deviceId } = key;
    const challenge = ids.secret();
    const at = clock();
    const command = { id: ids.uuid(), actor: { kind: 'engine', id: 'sandbox' } as const, correlationId: deviceId, causationId: null };
    await decide(device, deviceId, offer({ psuId, challengeHash: ids.hash(challenge), at, expiresAt: at + ENROLMENT_SECONDS }), command);
    keys.put(psuId, key);
    const claims = {
      aud: issuer,
      device_id: deviceId,
      challenge,
      public_key: { kty, crv, x, y },
      name: 'Sandbox',
      model: 'Automated approver',
    };
    const registration = signed(privateKey, { typ: STATEMENT.registration, kid: deviceId }, claims);
    await call('POST', `${PATHS.approver}/devices`, '', { body: { registration } });
    return key;
  };

  const keyOf = async (psuId: string): Promise<SandboxKey> => {
    const known = keys.get(psuId);
    return known !== undefined && (await load(device, known.deviceId)).status === 'active' ? known : enrol(psuId);
  };

  return async (psuId) => {
    // Two answers at once must not enrol two devices.
    const coming = enrolling.get(psuId) ?? keyOf(psuId).finally(() => enrolling.delete(psuId));
    enrolling.set(psuId, coming);
    const { deviceId, privateJwk } = await coming;
    const privateKey = createPrivateKey({ key: privateJwk, format: 'jwk' });
    const path = `${PATHS.approver}/requests/{request_id}`;

    const retrieve: SandboxDevice['retrieve'] = async (requestId) => {
      const claims = { aud: issuer, htm: 'GET', htu: path.replace('{request_id}', requestId), iat: clock(), jti: ids.uuid() };
      const authorization = `DeviceProof ${signed(privateKey, { typ: STATEMENT.proof, kid: deviceId }, claims)}`;
      return JSON.parse((await call('GET', path, requestId, { authorization })).body);
    };
    return {
      retrieve,
      async answer(requestId, verdict) {
        const { shown, digest, nonce } = await retrieve(requestId);
        const { accounts } = JSON.parse(shown) as { accounts: { account_id: string }[] };
        const at = clock();
        const answer = signed(
          privateKey,
          { typ: STATEMENT.answer, kid: deviceId },
          {
            ...{ aud: issuer, request_id: requestId, device_id: deviceId, digest, nonce, verdict, iat: at, exp: at + ANSWER_SECONDS },
            account_ids: verdict === 'approved' ? accounts.map((account) => account.account_id) : [],
          },
        );
        return call('POST', `${path}/answer`, requestId, { body: { answer } });
      },
    };
  };
};

const signed = (key: KeyObject, header: { typ: string; kid: string }, claims: object): string => {
  const text = [{ alg: 'ES256', ...header }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${text}.${sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
};
