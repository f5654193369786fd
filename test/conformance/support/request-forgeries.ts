import { testKey } from '../../support/jws.ts';
import { claims, DAY, futures, jtis, moments, names, type PlacedForgery, plain, signedBy, UNKNOWN_USER } from './claims.ts';
import { by, claiming, headed, jws } from './forging.ts';
import type { Refusal } from './places.ts';

const INVALID_REQUEST: Refusal = [400, 'invalid_request'];
const EXPIRED_HINT: Refusal = [400, 'expired_login_hint_token'];
const INVALID_TOKEN: Refusal = [401, 'invalid_token'];

const past = / (0|negative|hugely negative)$/;

/** A request object of the redirect flow, which need not say iss, client_id and iat (RFC 9101, section 4), and may be old by its iat. */
export const authorizationRequests: PlacedForgery[] = [
  ...moments('exp'),
  ...moments('nbf'),
  ...moments('iat').filter(({ name }) => name !== 'no iat' && !past.test(name)),
  ...names('iss').filter(({ name }) => name !== 'no iss'),
  ...names('client_id').filter(({ name }) => name !== 'no client_id'),
  ...names('redirect_uri').map((one) => ({ ...one, refusal: INVALID_REQUEST })),
  ...futures,
  claims('exp now', ({ time }) => ({ exp: time.clock() })),
  claims('exp an hour ago', ({ time }) => ({ nbf: time.clock() - 3700, iat: time.clock() - 3700, exp: time.clock() - 3600 })),
  claims('exp 70 minutes after nbf', ({ time }) => ({ exp: time.clock() + 4200 })),
  claims('nbf 70 minutes ago', ({ time }) => ({ nbf: time.clock() - 4200, exp: time.clock() + 60 })),
  claims('iss another client', ({ otherTpp }) => ({ iss: otherTpp.clientId })),
  claims('client_id another client', ({ otherTpp }) => ({ client_id: otherTpp.clientId })),
  claims('iss the server', ({ tested }) => ({ iss: tested.url })),
  claims('aud the endpoint', ({ tested }) => ({ aud: `${tested.url}/oauth2/par` })),
  claims('a request object inside', () => ({ request: 'x' })),
  claims('a request_uri inside', () => ({ request_uri: 'https://tpp.example/request.jwt' })),
  signedBy('the key of another client', ({ otherTpp }) => otherTpp.key),
];

/** Their iat may lie 90 days back from their exp, and they need no jti. */
export const hintTokens: PlacedForgery[] = [
  ...moments('exp').map((one) => (past.test(one.name) ? { ...one, refusal: EXPIRED_HINT } : one)),
  ...moments('iat'),
  ...names('iss'),
  ...names('login_hint').map((one) =>
    / (no|null|empty|a number|a list|an object)$|^no /.test(one.name) ? one : { ...one, refusal: UNKNOWN_USER },
  ),
  ...jtis.filter(({ name }) => name !== 'no jti'),
  ...futures,
  ...plain({ 'nbf a text': claiming({ nbf: '0' }), 'nbf null': claiming({ nbf: null }) }),
  claims('exp now', ({ time }) => ({ exp: time.clock() }), EXPIRED_HINT),
  claims('exp a second ago', ({ time }) => ({ exp: time.clock() - 1 }), EXPIRED_HINT),
  claims('exp 91 days after iat', ({ time }) => ({ exp: time.clock() + 91 * DAY })),
  claims('iss another client', ({ otherTpp }) => ({ iss: otherTpp.clientId })),
  claims('iss the server', ({ tested }) => ({ iss: tested.url })),
  claims('sub_id and login_hint', () => ({ sub_id: { format: 'opaque', id: 'alice' } })),
  claims('a sub_id of another format', () => ({ login_hint: undefined, sub_id: { format: 'account', uri: 'acct:alice' } })),
  claims('a sub_id without its name', () => ({ login_hint: undefined, sub_id: { format: 'opaque' } })),
  claims('a sub_id of aliases', () => ({
    login_hint: undefined,
    sub_id: { format: 'aliases', identifiers: [{ format: 'opaque', id: 'alice' }] },
  })),
  claims(
    'a sub_id of another issuer',
    () => ({ login_hint: undefined, sub_id: { format: 'iss_sub', iss: 'https://other.example', sub: 'psu-alice' } }),
    UNKNOWN_USER,
  ),
  claims('sub alone', () => ({ login_hint: undefined, sub: 'psu-alice' })),
  claims('a scope, as a request has', () => ({ scope: 'openid' })),
  signedBy('the key of another client', ({ otherTpp }) => otherTpp.key),
];

const stranger = testKey('ES256');

/** At a resource, with a token that is bound to the key of the honest proof. */
export const dpopProofs: PlacedForgery[] = [
  ...moments('iat'),
  // The right method is in upper case.
  ...names('htm').filter(({ name }) => name !== 'htm in upper case'),
  ...names('htu'),
  ...names('ath'),
  ...jtis,
  claims('iat 61 seconds ago', ({ time }) => ({ iat: time.clock() - 61 })),
  claims('iat in 61 seconds', ({ time }) => ({ iat: time.clock() + 61 })),
  claims('htm in lower case', () => ({ htm: 'get' })),
  claims('htm another', () => ({ htm: 'POST' })),
  claims('htu a path', () => ({ htu: '/oauth2/userinfo' })),
  claims('htu with a slash behind it', ({ tested }) => ({ htu: `${tested.url}/oauth2/userinfo/` })),
  claims('htu another endpoint', ({ tested }) => ({ htu: `${tested.url}/oauth2/token` })),
  claims('htu another scheme', ({ tested }) => ({ htu: `${tested.url.replace('http:', 'https:')}/oauth2/userinfo` })),
  claims('htu another port', ({ tested }) => ({ htu: `${tested.url.replace(/\d+$/, '1')}/oauth2/userinfo` })),
  claims('htu with a user', ({ tested }) => ({ htu: `${tested.url.replace('//', '//user@')}/oauth2/userinfo` })),
  claims('htu with a backslash', ({ tested }) => ({ htu: `${tested.url}\\oauth2\\userinfo` })),
  claims('ath the token itself', ({ dpop }) => ({ ath: dpop.ES256.accessToken })),
  claims('ath that of another token', ({ dpop, tested }) => ({ ath: tested.ports.ids.hash(dpop.PS256.accessToken) })),
  ...plain({ 'no typ': headed({ typ: undefined }), 'no jwk': headed({ jwk: undefined }) }),
  {
    name: 'the key of a stranger, which the header brings under its own kid',
    forge: () => (honest) => jws({ ...honest.header, kid: stranger.kid, jwk: stranger.publicJwk }, honest.claims, by(stranger)),
    refusal: INVALID_TOKEN,
  },
  {
    name: 'the key of another bound token',
    forge:
      ({ dpop: { PS256 } }) =>
      (honest) =>
        jws({ ...honest.header, alg: 'PS256', kid: PS256.key.kid, jwk: PS256.key.publicJwk }, honest.claims, by(PS256.key)),
    refusal: INVALID_TOKEN,
  },
  {
    name: 'a private jwk',
    forge: () => (honest) =>
      jws(
        { ...honest.header, jwk: { ...honest.key.privateKey.export({ format: 'jwk' }), kid: honest.key.kid } },
        honest.claims,
        by(honest.key),
      ),
  },
];
