import { randomUUID } from 'node:crypto';
import { accountsIn } from '../../../src/demo/phone.ts';
import { APPROVER, sendAnswer } from '../../support/device.ts';
import { sendForm, sendJson } from '../../support/http.ts';
import type { SigningTpp } from '../../support/tpp.ts';
import { type Bank, CERTIFICATE } from './bank.ts';
import { by, type Honest, jws } from './forging.ts';

export type Kind = 'assertion' | 'request object' | 'ID token' | 'proof' | 'registration' | 'answer';
export type Refusal = readonly [status: number, error: string];

/** One place that takes a JWT, with a key of one type. */
export interface Place {
  name: string;
  kind: Kind;
  alg: 'ES256' | 'PS256' | 'EdDSA';
  /** The values of `typ` that belong here. */
  typs: readonly string[];
  /** What a forgery is answered with; the first unless the place has a reason. */
  refusals: readonly Refusal[];
  /** The token travels in a header of HTTP. */
  inAHeader: boolean;
  honest(bank: Bank): Promise<Honest>;
  send(bank: Bank, token: string): Promise<Response>;
}

const INVALID_CLIENT: Refusal = [401, 'invalid_client'];
const INVALID_REQUEST: Refusal = [400, 'invalid_request'];
const INVALID_TOKEN: Refusal = [401, 'invalid_token'];

const assertion = ({ tested, time }: Bank, { clientId, key }: SigningTpp): Honest => ({
  header: { alg: key.alg, kid: key.kid, typ: 'JWT' },
  claims: { iss: clientId, sub: clientId, aud: tested.url, jti: randomUUID(), iat: time.clock(), exp: time.clock() + 60 },
  key,
});

const requestObject = ({ tested, time }: Bank, { clientId, key }: SigningTpp, hint: object = { login_hint: 'alice' }): Honest => {
  const at = time.clock();
  const claims = { iss: clientId, aud: tested.url, jti: randomUUID(), iat: at, nbf: at, exp: at + 300, scope: 'openid', ...hint };
  return { header: { alg: key.alg, kid: key.kid, typ: 'oauth-authz-req+jwt' }, claims, key };
};

const idToken = ({ tested, time, engineKeys }: Bank, { clientId }: SigningTpp, alg: 'ES256' | 'PS256'): Honest => {
  const published = tested.ports.signer.jwks().keys.find((jwk) => jwk['alg'] === alg) as Record<string, unknown>;
  const claims = { iss: tested.url, sub: 'psu-alice', aud: clientId, iat: time.clock(), exp: time.clock() + 3600 };
  return { header: { alg, typ: 'JWT', kid: published['kid'] }, claims, key: engineKeys[alg] };
};

const tppPlaces = (alg: 'ES256' | 'PS256'): Place[] => [
  {
    name: `a client assertion (${alg}) at the token endpoint`,
    kind: 'assertion',
    alg,
    typs: ['JWT'],
    refusals: [INVALID_CLIENT],
    inAHeader: false,
    honest: async (bank) => assertion(bank, bank.tpps[alg]),
    send: ({ tested, tpps }, token) =>
      sendForm(tested, '/oauth2/token', { ...tpps[alg].authenticatedBy(token), grant_type: 'client_credentials' }),
  },
  {
    name: `a client assertion (${alg}) at the backchannel authentication endpoint`,
    kind: 'assertion',
    alg,
    typs: ['JWT'],
    refusals: [INVALID_CLIENT],
    inAHeader: false,
    honest: async (bank) => assertion(bank, bank.tpps[alg]),
    send: ({ tested, tpps }, token) =>
      sendForm(tested, '/oauth2/ciba', { ...tpps[alg].authenticatedBy(token), scope: 'openid', login_hint: 'alice' }),
  },
  {
    name: `a request object (${alg})`,
    kind: 'request object',
    alg,
    typs: ['JWT', 'oauth-authz-req+jwt'],
    refusals: [INVALID_REQUEST],
    inAHeader: false,
    honest: async (bank) => requestObject(bank, bank.fapiTpps[alg]),
    send: async ({ tested, fapiTpps }, request) =>
      sendForm(tested, '/oauth2/ciba', { ...(await fapiTpps[alg].authentication()), request }, CERTIFICATE),
  },
  {
    name: `an id_token_hint (${alg})`,
    kind: 'ID token',
    alg,
    typs: ['JWT'],
    refusals: [INVALID_REQUEST],
    inAHeader: false,
    honest: async (bank) => idToken(bank, bank.tpps.ES256, alg),
    send: async ({ tested, tpps }, hint) =>
      sendForm(tested, '/oauth2/ciba', { ...(await tpps.ES256.authentication()), scope: 'openid', id_token_hint: hint }),
  },
];

/** The hint of a FAPI client, which stands in a request object that is honest itself. */
const hintInRequestObject: Place = {
  name: 'an id_token_hint (ES256) inside a request object',
  kind: 'ID token',
  alg: 'ES256',
  typs: ['JWT'],
  refusals: [INVALID_REQUEST],
  inAHeader: false,
  honest: async (bank) => idToken(bank, bank.fapiTpps.ES256, 'ES256'),
  send: async (bank, hint) => {
    const { header, claims, key } = requestObject(bank, bank.fapiTpps.ES256, { id_token_hint: hint });
    const form = { ...(await bank.fapiTpps.ES256.authentication()), request: jws(header, claims, by(key)) };
    return sendForm(bank.tested, '/oauth2/ciba', form, CERTIFICATE);
  },
};

const PROVEN = `${APPROVER}/devices`;

/** What is accepted uses up what it was about. */
const using = async (bank: Bank, sent: Promise<Response>): Promise<Response> => {
  const response = await sent;
  if (response.ok) bank.used();
  return response;
};

const devicePlaces = (alg: 'ES256' | 'EdDSA'): Place[] => [
  {
    name: `a device proof (${alg})`,
    kind: 'proof',
    alg,
    typs: ['device-proof+jwt'],
    refusals: [INVALID_TOKEN],
    inAHeader: true,
    honest: async ({ tested, time, phones }) => ({
      header: { alg, typ: 'device-proof+jwt', kid: phones[alg].deviceId },
      claims: { aud: tested.url, htm: 'GET', htu: PROVEN, iat: time.clock(), jti: randomUUID() },
      key: phones[alg].key,
    }),
    send: ({ tested }, proof) => sendJson(tested, 'GET', PROVEN, undefined, { authorization: `DeviceProof ${proof}` }),
  },
  {
    name: `a device registration (${alg})`,
    kind: 'registration',
    alg,
    typs: ['device-registration+jwt'],
    refusals: [INVALID_REQUEST],
    inAHeader: false,
    honest: async (bank) => {
      const { discovery, key } = await bank.enrolment(alg);
      const { kty, crv, x, y } = key.publicJwk;
      const { device_id, challenge, issuer } = discovery;
      return {
        header: { alg, typ: 'device-registration+jwt', kid: device_id },
        claims: { aud: issuer, device_id, challenge, public_key: { kty, crv, x, y }, name: 'A phone', model: 'Test' },
        key,
      };
    },
    send: (bank, registration) => using(bank, sendJson(bank.tested, 'POST', `${APPROVER}/devices`, { registration })),
  },
  {
    name: `a signed answer (${alg})`,
    kind: 'answer',
    alg,
    typs: ['consent-answer+jwt'],
    // A statement that the device did sign, and that lacks something, is a bad request.
    refusals: [INVALID_TOKEN, INVALID_REQUEST],
    inAHeader: false,
    honest: async (bank) => {
      const { tested, time, phones } = bank;
      const shown = await bank.shown(alg);
      const { request_id, digest, nonce } = shown;
      const { deviceId: device_id, key } = phones[alg];
      const at = time.clock();
      const over = { aud: tested.url, request_id, device_id, digest, nonce };
      const claims = { ...over, verdict: 'approved', account_ids: accountsIn(shown), iat: at, exp: at + 60 };
      return { header: { alg, typ: 'consent-answer+jwt', kid: device_id }, claims, key };
    },
    send: async (bank, answer) => {
      const { request_id } = await bank.shown(alg);
      return using(bank, sendAnswer(bank.tested, request_id, answer));
    },
  },
];

/** Every place that takes a JWT. */
export const PLACES: readonly Place[] = [
  ...tppPlaces('ES256'),
  hintInRequestObject,
  ...tppPlaces('PS256'),
  ...devicePlaces('ES256'),
  ...devicePlaces('EdDSA'),
];
