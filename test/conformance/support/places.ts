import { randomUUID } from 'node:crypto';
import { accountsIn } from '../../../src/demo/phone.ts';
import { JWT_BEARER_GRANT } from '../../../src/domain/client/metadata.ts';
import { REGISTER } from '../../api/registration/ecosystem.ts';
import { APPROVER, sendAnswer } from '../../support/device.ts';
import { sendForm, sendJson } from '../../support/http.ts';
import type { SigningTpp } from '../../support/tpp.ts';
import { type Bank, CALLBACK, CERTIFICATE } from './bank.ts';
import { by, type Honest, honestly, jws } from './forging.ts';

export type Kind =
  | 'assertion'
  | 'request object'
  | 'ID token'
  | 'proof'
  | 'registration'
  | 'answer'
  | 'authorization request'
  | 'hint token'
  | 'DPoP proof'
  | 'statement'
  | 'registration request';
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
  /** False where whom the token is for is nothing that it says. */
  hasAudience?: false;
  /** What an empty parameter, which is none, is answered with. */
  empty?: Refusal;
  /** Refusals are shown to the person at a browser. */
  isPage?: true;
  /** The forgeries that are none here. */
  tolerated?: readonly string[];
  honest(bank: Bank): Promise<Honest>;
  send(bank: Bank, token: string): Promise<Response>;
}

const INVALID_CLIENT: Refusal = [401, 'invalid_client'];
const INVALID_REQUEST: Refusal = [400, 'invalid_request'];
const INVALID_TOKEN: Refusal = [401, 'invalid_token'];
const INVALID_GRANT: Refusal = [400, 'invalid_grant'];
const INVALID_REQUEST_OBJECT: Refusal = [400, 'invalid_request_object'];
const INVALID_DPOP_PROOF: Refusal = [401, 'invalid_dpop_proof'];
const INVALID_STATEMENT: Refusal = [400, 'invalid_software_statement'];
const INVALID_METADATA: Refusal = [400, 'invalid_client_metadata'];

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

const authorizationRequest = ({ tested, time }: Bank, { clientId, key }: SigningTpp): Honest => {
  const at = time.clock();
  const times = { iat: at, nbf: at, exp: at + 300 };
  const asked = { response_type: 'code id_token', redirect_uri: CALLBACK, scope: 'openid', state: 's', nonce: randomUUID() };
  const challenge = { code_challenge: 'x'.repeat(43), code_challenge_method: 'S256' };
  return {
    header: { alg: key.alg, kid: key.kid, typ: 'oauth-authz-req+jwt' },
    claims: { iss: clientId, client_id: clientId, aud: tested.url, ...times, ...asked, ...challenge },
    key,
  };
};

const hintToken = ({ tested, time }: Bank, { clientId, key }: SigningTpp): Honest => {
  const times = { iat: time.clock(), exp: time.clock() + 60 };
  return {
    header: { alg: key.alg, kid: key.kid, typ: 'JWT' },
    claims: { iss: clientId, aud: tested.url, jti: randomUUID(), ...times, login_hint: 'alice' },
    key,
  };
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

const requestPlaces = (alg: 'ES256' | 'PS256'): Place[] => [
  {
    name: `a request object (${alg}) at the pushed authorization request endpoint`,
    kind: 'authorization request',
    alg,
    typs: ['JWT', 'oauth-authz-req+jwt'],
    // A request that the client did sign, and that lacks something, is a bad request.
    refusals: [INVALID_REQUEST_OBJECT, INVALID_REQUEST],
    empty: INVALID_REQUEST,
    inAHeader: false,
    honest: async (bank) => authorizationRequest(bank, bank.fapiTpps[alg]),
    send: async ({ tested, fapiTpps }, request) =>
      sendForm(tested, '/oauth2/par', { ...(await fapiTpps[alg].authentication()), request }, CERTIFICATE),
  },
  {
    name: `a request object (${alg}) at the authorization endpoint`,
    kind: 'authorization request',
    alg,
    typs: ['JWT', 'oauth-authz-req+jwt'],
    refusals: [INVALID_REQUEST_OBJECT, INVALID_REQUEST],
    empty: INVALID_REQUEST,
    isPage: true,
    inAHeader: false,
    honest: async (bank) => authorizationRequest(bank, bank.fapiTpps[alg]),
    send: ({ tested, fapiTpps }, request) => sendForm(tested, '/oauth2/authorize', { client_id: fapiTpps[alg].clientId, request }),
  },
  {
    name: `a login_hint_token (${alg})`,
    kind: 'hint token',
    alg,
    typs: ['JWT'],
    refusals: [INVALID_REQUEST],
    inAHeader: false,
    honest: async (bank) => hintToken(bank, bank.tpps[alg]),
    send: async ({ tested, tpps }, hint) =>
      sendForm(tested, '/oauth2/ciba', { ...(await tpps[alg].authentication()), scope: 'openid', login_hint_token: hint }),
  },
  {
    name: `an assertion (${alg}) as a grant`,
    kind: 'assertion',
    alg,
    typs: ['JWT', 'authorization-grant+jwt'],
    refusals: [INVALID_GRANT],
    empty: INVALID_REQUEST,
    inAHeader: false,
    honest: async (bank) => assertion(bank, bank.tpps[alg]),
    send: async ({ tested, tpps }, token) =>
      sendForm(tested, '/oauth2/token', { ...(await tpps[alg].authentication()), grant_type: JWT_BEARER_GRANT, assertion: token }),
  },
  {
    name: `a software statement (${alg})`,
    kind: 'statement',
    alg,
    typs: ['JWT'],
    refusals: [INVALID_STATEMENT],
    hasAudience: false,
    inAHeader: false,
    honest: async (bank) => statementOf(bank, alg),
    send: ({ tested }, statement) => sendJson(tested, 'POST', REGISTER, { ...WANTED, software_statement: statement }),
  },
  {
    name: `a signed registration request (${alg})`,
    kind: 'registration request',
    alg,
    typs: ['JWT'],
    // One that holds no statement lacks that first.
    refusals: [INVALID_METADATA, INVALID_STATEMENT],
    // White space around a body is no part of what was signed.
    tolerated: [...['a space before it', 'a space behind it', 'a line break behind it', 'a tab behind it'], 'a byte order mark before it'],
    inAHeader: false,
    honest: async (bank) => {
      const key = bank.ecosystem.softwareKeys[alg];
      const times = { iat: bank.time.clock(), exp: bank.time.clock() + 300 };
      const software_statement = await honestly(statementOf(bank, alg));
      const claims = { iss: 'software-1', aud: bank.tested.url, jti: randomUUID(), ...times, ...WANTED, software_statement };
      return { header: { alg, kid: key.kid, typ: 'JWT' }, claims, key };
    },
    send: ({ tested }, request) => sendJson(tested, 'POST', REGISTER, request, { 'content-type': 'application/jwt' }),
  },
];

const WANTED = { token_endpoint_auth_method: 'private_key_jwt', grant_types: ['client_credentials'] };

/** What the directory of the bank says of a piece of software; nobody looks at the aud. */
export const statementOf = ({ ecosystem, time, tested }: Bank, alg: 'ES256' | 'PS256'): Honest => {
  const key = ecosystem.directoryKeys[alg];
  const times = { iat: time.clock(), exp: time.clock() + 300 };
  const software = { software_id: 'software-1', software_client_name: 'The Software', software_jwks_endpoint: ecosystem.jwksUri };
  const standing = { software_environment: 'sandbox', org_status: 'Active' };
  return {
    header: { alg, kid: key.kid, typ: 'JWT' },
    claims: { iss: 'https://directory.example', aud: tested.url, jti: randomUUID(), ...times, ...software, ...standing },
    key,
  };
};

const dpopPlace = (alg: 'ES256' | 'PS256' | 'EdDSA'): Place => ({
  name: `a DPoP proof (${alg}) at userinfo`,
  kind: 'DPoP proof',
  alg,
  typs: ['dpop+jwt'],
  // A proof that is right in itself, by another key than the token is bound to, makes the token a bad one.
  refusals: [INVALID_DPOP_PROOF, INVALID_TOKEN],
  hasAudience: false,
  inAHeader: true,
  // What aud says counts for nothing here; it is there for the forgeries that say it twice.
  honest: async ({ tested, time, dpop }) => {
    const { key, accessToken } = dpop[alg];
    const claims = { jti: randomUUID(), htm: 'GET', htu: tested.url + USERINFO, iat: time.clock() };
    return {
      header: { alg, typ: 'dpop+jwt', kid: key.kid, jwk: key.publicJwk },
      claims: { ...claims, ath: tested.ports.ids.hash(accessToken), aud: tested.url },
      key,
    };
  },
  send: ({ tested, dpop }, proof) =>
    sendJson(tested, 'GET', USERINFO, undefined, { authorization: `DPoP ${dpop[alg].accessToken}`, dpop: proof }),
});

const USERINFO = '/oauth2/userinfo';

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
  ...requestPlaces('ES256'),
  ...requestPlaces('PS256'),
  ...(['ES256', 'PS256', 'EdDSA'] as const).map(dpopPlace),
];
