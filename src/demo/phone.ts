import { createHash, randomUUID } from 'node:crypto';
import { CompactSign, exportJWK, generateKeyPair, type JWK } from 'jose';

/** `fetch`, as the phone reaches the engine. */
export type Fetch = (url: string, init?: { method?: string; headers?: Record<string, string>; body?: string }) => Promise<Response>;

/** A request as the engine showed it: `shown` is the text to hash and to display. */
export interface Shown {
  request_id: string;
  shown: string;
  digest: string;
  nonce: string;
  expires_at: number;
}

/** What a phone was refused. */
export class PhoneError extends Error {
  readonly status: number;
  readonly error: string;
  constructor(status: number, { error = 'unknown', error_description = '' }: { error?: string; error_description?: string }) {
    super(`${status} ${error}: ${error_description}`);
    this.status = status;
    this.error = error;
  }
}

/** The device of a PSU, as an app would be: its own key, and the approver API. */
export interface Phone {
  deviceId: string;
  requests(): Promise<{ request_id: string; client_name: string; binding_message: string | null; expires_at: number }[]>;
  retrieve(requestId: string): Promise<Shown>;
  /** Signs an answer over what was shown; `overrides` replace claims, or add `authorization_details` where less is approved than asked. */
  sign(shown: Shown, verdict: 'approved' | 'denied', accountIds: readonly string[], overrides?: object): Promise<string>;
  send(requestId: string, answer: string): Promise<{ status: string }>;
  consents(): Promise<{ consent_id: string; status: string; account_ids: string[]; authorization_details: object[] | null }[]>;
  revokeConsent(consentId: string): Promise<void>;
  devices(): Promise<{ device_id: string; name: string; reachable_by_push: boolean }[]>;
  replacePushToken(pushToken: string): Promise<void>;
  revokeDevice(deviceId: string): Promise<void>;
  /** Any call with a proof of the device key; `overrides` replace claims of the proof. */
  call(method: string, path: string, body?: object, overrides?: object): Promise<unknown>;
}

const API = '/approver/v1';
const ANSWER_SECONDS = 60;

/** What the engine offers for one enrolment: what a phone reads from the QR code. */
export interface Discovery {
  device_id: string;
  challenge: string;
  issuer: string;
  registration_endpoint: string;
}

/** The PSU asks for an enrolment with user name and password. */
export const askForEnrolment = async (
  fetch: Fetch,
  issuer: string,
  { username, password }: { username: string; password: string },
): Promise<Discovery> => {
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  return (await read(await fetch(`${issuer}${API}/enrolments`, { method: 'POST', headers: { authorization } }))) as Discovery;
};

/** The phone makes its key and registers it. */
export const enrol = async (
  fetch: Fetch,
  discovery: Discovery,
  {
    alg = 'ES256',
    name = 'Demo phone',
    model = 'Simulated',
    pushToken = null,
  }: { alg?: 'ES256' | 'EdDSA'; name?: string; model?: string; pushToken?: string | null } = {},
): Promise<Phone> => {
  const { publicKey, privateKey } = await generateKeyPair(alg);
  const { device_id: deviceId, challenge, issuer, registration_endpoint: endpoint } = discovery;
  const sign = (typ: string, claims: object) =>
    new CompactSign(Buffer.from(JSON.stringify(claims))).setProtectedHeader({ alg, typ, kid: deviceId }).sign(privateKey);

  const claims = {
    aud: issuer,
    device_id: deviceId,
    challenge,
    public_key: publicMembers(await exportJWK(publicKey)),
    name,
    model,
    ...(pushToken !== null && { push_token: pushToken }),
  };
  const registration = await sign('device-registration+jwt', claims);
  await read(await fetch(endpoint, jsonBody('POST', { registration })));

  const call = async (method: string, path: string, body?: object, overrides: object = {}): Promise<unknown> => {
    const text = body && JSON.stringify(body);
    const proof = await sign('device-proof+jwt', {
      aud: issuer,
      htm: method,
      htu: API + path,
      iat: now(),
      jti: randomUUID(),
      ...(text !== undefined && { body_digest: sha256(text) }),
      ...overrides,
    });
    const headers = { authorization: `DeviceProof ${proof}`, ...(text !== undefined && { 'content-type': 'application/json' }) };
    return read(await fetch(`${issuer}${API}${path}`, { method, headers, ...(text !== undefined && { body: text }) }));
  };

  return {
    deviceId,
    call,
    requests: async () => ((await call('GET', '/requests')) as { requests: Awaited<ReturnType<Phone['requests']>> }).requests,
    async retrieve(requestId) {
      const shown = (await call('GET', `/requests/${requestId}`)) as Shown;
      if (sha256(shown.shown) !== shown.digest) throw new Error('the digest is not of what was shown');
      return shown;
    },
    sign: ({ request_id, digest, nonce }, verdict, accountIds, overrides = {}) =>
      sign('consent-answer+jwt', {
        aud: issuer,
        request_id,
        digest,
        nonce,
        verdict,
        device_id: deviceId,
        account_ids: accountIds,
        iat: now(),
        exp: now() + ANSWER_SECONDS,
        ...overrides,
      }),
    send: async (requestId, answer) =>
      (await read(await fetch(`${issuer}${API}/requests/${requestId}/answer`, jsonBody('POST', { answer })))) as { status: string },
    consents: async () => ((await call('GET', '/consents')) as { consents: Awaited<ReturnType<Phone['consents']>> }).consents,
    revokeConsent: async (consentId) => void (await call('DELETE', `/consents/${consentId}`)),
    devices: async () => ((await call('GET', '/devices')) as { devices: Awaited<ReturnType<Phone['devices']>> }).devices,
    replacePushToken: async (token) => void (await call('PUT', `/devices/${deviceId}/push-token`, { push_token: token })),
    revokeDevice: async (other) => void (await call('DELETE', `/devices/${other}`)),
  };
};

/** The accounts that a shown request offers. */
export const accountsIn = ({ shown }: Shown): string[] =>
  (JSON.parse(shown) as { accounts: { account_id: string }[] }).accounts.map((account) => account.account_id);

const now = () => Math.floor(Date.now() / 1000);
const sha256 = (text: string) => createHash('sha256').update(text).digest('base64url');
const jsonBody = (method: string, body: object) => ({
  method,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});
const publicMembers = ({ kty, crv, x, y }: JWK) => ({ kty, crv, x, ...(y !== undefined && { y }) });

const read = async (response: Response): Promise<unknown> => {
  const text = await response.text();
  const body: unknown = text === '' ? null : JSON.parse(text);
  if (!response.ok) throw new PhoneError(response.status, body as object);
  return body;
};
