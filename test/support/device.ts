import { randomUUID } from 'node:crypto';
import { systemIds } from '../../src/adapters/clock.ts';
import { accountsIn, askForEnrolment, type Discovery, type Shown } from '../../src/demo/phone.ts';
import type { TestEngine } from './engine.ts';
import { sendJson } from './http.ts';
import { signJws, type TestKey, testKey } from './jws.ts';

export const APPROVER = '/approver/v1';

/** What to change in a statement of a device before it is signed. */
export interface Change {
  claims?: object;
  header?: object;
  key?: TestKey;
}

/** A device whose every statement can be made wrong. */
export interface TestDevice {
  deviceId: string;
  key: TestKey;
  proof(method: string, path: string, body?: string, change?: Change): Promise<string>;
  /** A call with its proof. */
  call(method: string, path: string, body?: object, change?: Change): Promise<Response>;
  retrieve(requestId: string): Promise<Shown>;
  answer(
    shown: Pick<Shown, 'request_id' | 'digest' | 'nonce'>,
    verdict: 'approved' | 'denied',
    accountIds: readonly string[],
    change?: Change,
  ): Promise<string>;
  /** Retrieves, answers over all the accounts that were shown, and sends. Claims of the change may name `authorization_details`. */
  decide(requestId: string, verdict: 'approved' | 'denied', change?: Change): Promise<string>;
}

/** The statement that registers a device key. */
export const registration = (
  { device_id, challenge, issuer }: Discovery,
  key: TestKey,
  { claims = {}, header = {}, key: signer = key }: Change = {},
): Promise<string> => {
  const { kty, crv, x, y } = key.publicJwk;
  const stated = { aud: issuer, device_id, challenge, public_key: { kty, crv, x, y }, name: 'A phone', model: 'Test', ...claims };
  return signJws(signer, stated, { typ: 'device-registration+jwt', kid: device_id, ...header });
};

/** Sends an answer, whoever signed it. */
export const sendAnswer = (tested: TestEngine, requestId: string, answer: string): Promise<Response> =>
  sendJson(tested, 'POST', `${APPROVER}/requests/${requestId}/answer`, { answer });

/** Enrols a device of a PSU whose password is the user name. */
export const testDevice = async (tested: TestEngine, username: string, key: TestKey = testKey('ES256')): Promise<TestDevice> => {
  const { url, ports } = tested;
  const discovery = await askForEnrolment(fetch, url, { username, password: username });
  const registered = await sendJson(tested, 'POST', `${APPROVER}/devices`, { registration: await registration(discovery, key) });
  if (registered.status !== 201) throw new Error(await registered.text());
  const { device_id: deviceId } = discovery;

  const sign = (typ: string, claims: object, change: Change) =>
    signJws(change.key ?? key, { ...claims, ...change.claims }, { typ, kid: deviceId, ...change.header });

  const proof: TestDevice['proof'] = (method, path, body, change = {}) => {
    const claims = { aud: url, htm: method, htu: APPROVER + path, iat: ports.clock(), jti: randomUUID() };
    return sign('device-proof+jwt', { ...claims, ...(body !== undefined && { body_digest: systemIds.hash(body) }) }, change);
  };
  const call: TestDevice['call'] = async (method, path, body, change) => {
    const text = body && JSON.stringify(body);
    return sendJson(tested, method, APPROVER + path, text, { authorization: `DeviceProof ${await proof(method, path, text, change)}` });
  };
  const retrieve = async (requestId: string) => (await call('GET', `/requests/${requestId}`)).json() as Promise<Shown>;
  const answer: TestDevice['answer'] = ({ request_id, digest, nonce }, verdict, accountIds, change = {}) => {
    const at = ports.clock();
    const claims = { aud: url, request_id, digest, nonce, verdict, device_id: deviceId, account_ids: accountIds, iat: at, exp: at + 60 };
    return sign('consent-answer+jwt', claims, change);
  };
  return {
    deviceId,
    key,
    proof,
    call,
    retrieve,
    answer,
    async decide(requestId, verdict, change) {
      const shown = await retrieve(requestId);
      const signed = await answer(shown, verdict, accountsIn(shown), change);
      const response = await sendAnswer(tested, requestId, signed);
      if (response.status !== 200) throw new Error(await response.text());
      return signed;
    },
  };
};
