import { testKey } from '../../support/jws.ts';
import type { Bank } from './bank.ts';
import { claims, DAY, futures, header, jtis, moments, names, type PlacedForgery, plain, UNKNOWN_USER } from './claims.ts';
import { by, claiming, type Forge, headed, jws } from './forging.ts';
import type { Kind, Place, Refusal } from './places.ts';
import { registrationRequests, statements } from './registration-forgeries.ts';
import { authorizationRequests, dpopProofs, hintTokens } from './request-forgeries.ts';

const NOT_FOUND: Refusal = [404, 'not_found'];
const CONFLICT: Refusal = [409, 'conflict'];
const ACCESS_DENIED: Refusal = [403, 'access_denied'];

const notNow: PlacedForgery[] = [
  claims('nbf in the future', ({ time }) => ({ nbf: time.clock() + 3600 })),
  claims('exp in the past', ({ time }) => ({ exp: time.clock() - 3600 })),
];

const assertions: PlacedForgery[] = [
  ...moments('exp'),
  ...names('iss'),
  ...names('sub'),
  ...jtis,
  ...futures,
  ...plain({ 'nbf a text': claiming({ nbf: '0' }), 'iat a text': claiming({ iat: '0' }), 'nbf null': claiming({ nbf: null }) }),
  claims('exp now', ({ time }) => ({ exp: time.clock() })),
  claims('exp a second ago', ({ time }) => ({ exp: time.clock() - 1 })),
  claims('exp beyond the limit', ({ time }) => ({ exp: time.clock() + 361 })),
  claims('iss another client', ({ otherTpp }) => ({ iss: otherTpp.clientId })),
  claims('sub another client', ({ otherTpp }) => ({ sub: otherTpp.clientId })),
  claims('iss and sub another client', ({ otherTpp: { clientId } }) => ({ iss: clientId, sub: clientId })),
  claims('iss and sub a client that was disabled', ({ disabledTpp: { clientId } }) => ({ iss: clientId, sub: clientId })),
  claims('iss and sub a client with a secret and the same key', ({ secretClientId: id }) => ({ iss: id, sub: id })),
  claims('iss the server', ({ tested }) => ({ iss: tested.url })),
  claims('aud an endpoint that is not there', ({ tested }) => ({ aud: `${tested.url}/oauth2/authorize` })),
  {
    name: 'the key of another client',
    forge:
      ({ otherTpp }) =>
      (honest) =>
        jws(honest.header, honest.claims, by(otherTpp.key)),
  },
  {
    name: 'the key and the kid of another client',
    forge:
      ({ fapiTpps }) =>
      (honest) =>
        jws({ ...honest.header, kid: fapiTpps.ES256.key.kid }, honest.claims, by(fapiTpps.ES256.key)),
  },
];

const requestObjects: PlacedForgery[] = [
  ...moments('exp'),
  ...moments('nbf'),
  ...moments('iat').filter(({ name }) => !/ (0|negative|hugely negative)$/.test(name)),
  ...names('iss'),
  ...jtis,
  ...futures,
  claims('exp now', ({ time }) => ({ exp: time.clock() })),
  claims('exp an hour ago', ({ time }) => ({ nbf: time.clock() - 3700, iat: time.clock() - 3700, exp: time.clock() - 3600 })),
  claims('exp 70 minutes after nbf', ({ time }) => ({ exp: time.clock() + 4200 })),
  claims('nbf 70 minutes ago', ({ time }) => ({ nbf: time.clock() - 4200, exp: time.clock() + 60 })),
  claims('iss another client', ({ otherTpp }) => ({ iss: otherTpp.clientId })),
  claims('iss the server', ({ tested }) => ({ iss: tested.url })),
  claims('aud the endpoint', ({ tested }) => ({ aud: `${tested.url}/oauth2/ciba` })),
  {
    name: 'the key of another client',
    forge:
      ({ otherTpp }) =>
      (honest) =>
        jws(honest.header, honest.claims, by(otherTpp.key)),
  },
];

/** By the key of the server itself: these show that a hint is judged by all that it says. */
const idTokens: PlacedForgery[] = [
  ...names('iss'),
  claims('iss another server', () => ({ iss: 'https://other.example' })),
  claims('aud another client', ({ otherTpp }) => ({ aud: otherTpp.clientId })),
  claims('iat 91 days ago', ({ time }) => ({ iat: time.clock() - 91 * DAY })),
  claims('no iat', () => ({ iat: undefined })),
  claims('iat the text NaN', () => ({ iat: 'NaN' })),
  claims('iat an object', () => ({ iat: {} })),
  claims('sub a list', () => ({ sub: ['psu-alice'] })),
  claims('sub nobody', () => ({ sub: 'nobody' }), UNKNOWN_USER),
  {
    name: 'the key of the client, under the kid of the server',
    forge:
      ({ tpps }) =>
      (honest) =>
        jws({ ...honest.header, alg: 'ES256' }, honest.claims, by(tpps.ES256.key)),
  },
  {
    name: 'the key and the kid of the client',
    forge:
      ({ tpps }) =>
      (honest) =>
        jws({ ...honest.header, alg: 'ES256', kid: tpps.ES256.key.kid }, honest.claims, by(tpps.ES256.key)),
  },
  header('the kid of the other key of the server', ({ tested }) => ({ kid: kidFor(tested, 'PS256') })),
];

const kidFor = (tested: Bank['tested'], alg: string): unknown => tested.ports.signer.jwks().keys.find((jwk) => jwk['alg'] === alg)?.['kid'];

const deviceKeys: PlacedForgery[] = [
  header('the kid of another device', ({ tablet }) => ({ kid: tablet.deviceId })),
  header('the kid of a device of another PSU', ({ bobsDevice }) => ({ kid: bobsDevice.deviceId })),
  header('the kid of a device that was revoked', ({ revokedDevice }) => ({ kid: revokedDevice.deviceId }), ACCESS_DENIED),
  {
    name: 'the key of another device',
    forge:
      ({ tablet }) =>
      (honest) =>
        jws(honest.header, honest.claims, by(tablet.key)),
  },
  {
    name: 'the kid of a device that is only offered',
    forge: (bank) => async (honest) => headed({ kid: (await bank.enrolment('ES256')).discovery.device_id })(honest),
  },
];

const proofs: PlacedForgery[] = [
  ...moments('iat'),
  // The right method is in upper case.
  ...names('htm').filter(({ name }) => name !== 'htm in upper case'),
  ...names('htu'),
  ...jtis,
  ...notNow,
  ...deviceKeys,
  claims('iat 61 seconds ago', ({ time }) => ({ iat: time.clock() - 61 })),
  claims('iat in 61 seconds', ({ time }) => ({ iat: time.clock() + 61 })),
  claims('htm in lower case', () => ({ htm: 'get' })),
  claims('htm another', () => ({ htm: 'DELETE' })),
  claims('htu a URL', ({ tested }) => ({ htu: `${tested.url}/approver/v1/devices` })),
  claims('htu with a slash behind it', () => ({ htu: '/approver/v1/devices/' })),
  claims('htu with a query', () => ({ htu: '/approver/v1/devices?a=1' })),
  claims('htu that goes up and down', () => ({ htu: '/approver/v1/x/../devices' })),
  claims('htu that is encoded', () => ({ htu: '/approver/v1/%64evices' })),
  claims('aud ours and another', ({ tested }) => ({ aud: [tested.url, 'https://other.example'] })),
  {
    name: 'the key and the kid of a device of another PSU, and the typ of an answer',
    forge:
      ({ bobsDevice }) =>
      (honest) =>
        jws({ ...honest.header, alg: 'ES256', typ: 'consent-answer+jwt', kid: bobsDevice.deviceId }, honest.claims, by(bobsDevice.key)),
  },
];

const stranger = testKey('ES256');
const { kty, crv, x, y } = stranger.publicJwk;
const strangersKey = { kty, crv, x, y };

const registrations: PlacedForgery[] = [
  ...notNow,
  header('a kid that is another device than the one it registers', ({ tablet }) => ({ kid: tablet.deviceId }), NOT_FOUND),
  claims('aud ours and another', ({ tested }) => ({ aud: [tested.url, 'https://other.example'] })),
  claims('the public_key of a stranger', () => ({ public_key: strangersKey })),
  {
    name: 'signed by a stranger',
    forge: () => (honest) => jws({ ...honest.header, alg: 'ES256' }, honest.claims, by(stranger)),
  },
  {
    name: 'signed by another device of the PSU',
    forge:
      ({ tablet }) =>
      (honest) =>
        jws({ ...honest.header, alg: 'ES256' }, honest.claims, by(tablet.key)),
  },
  claims('public_key a text', () => ({ public_key: JSON.stringify(strangersKey) })),
  claims('public_key a list', () => ({ public_key: [strangersKey] })),
  claims('public_key null', () => ({ public_key: null })),
  claims('no public_key', () => ({ public_key: undefined })),
  claims('public_key a secret', () => ({ public_key: { kty: 'oct', k: 'AAAA' } })),
  claims('public_key a private one', () => ({ public_key: { ...strangersKey, d: stranger.privateKey.export({ format: 'jwk' }).d } })),
  claims('public_key under another curve', () => ({ public_key: { ...strangersKey, crv: 'P-384' } })),
  claims('public_key a point off the curve', () => ({ public_key: { ...strangersKey, y: x } })),
  claims('challenge another', () => ({ challenge: 'x'.repeat(43) }), NOT_FOUND),
  claims('challenge empty', () => ({ challenge: '' }), NOT_FOUND),
  claims('no challenge', () => ({ challenge: undefined })),
  claims('challenge a list', () => ({ challenge: [] })),
  claims('device_id another', ({ tablet }) => ({ device_id: tablet.deviceId }), NOT_FOUND),
  claims('device_id a path upwards', () => ({ device_id: '../../x' }), NOT_FOUND),
  claims('device_id __proto__', () => ({ device_id: '__proto__' }), NOT_FOUND),
  claims('no device_id', () => ({ device_id: undefined })),
  claims('device_id a list', ({ tablet }) => ({ device_id: [tablet.deviceId] })),
  claims('device_id of 129 letters', () => ({ device_id: 'x'.repeat(129) })),
];

const answers: PlacedForgery[] = [
  ...moments('exp'),
  ...names('request_id'),
  ...names('device_id'),
  ...deviceKeys,
  ...futures,
  claims('exp now', ({ time }) => ({ exp: time.clock() })),
  claims('exp a second ago', ({ time }) => ({ exp: time.clock() - 1 })),
  claims('aud ours and another', ({ tested }) => ({ aud: [tested.url, 'https://other.example'] })),
  claims('device_id another', ({ tablet }) => ({ device_id: tablet.deviceId })),
  claims('digest another', () => ({ digest: 'x'.repeat(43) }), CONFLICT),
  claims('nonce another', () => ({ nonce: 'x'.repeat(43) }), CONFLICT),
  claims('nonce empty', () => ({ nonce: '' }), CONFLICT),
  claims('no nonce', () => ({ nonce: undefined })),
  claims('no digest', () => ({ digest: undefined })),
  claims('verdict true', () => ({ verdict: true })),
  claims('verdict in upper case', () => ({ verdict: 'APPROVED' })),
  claims('verdict a list', () => ({ verdict: ['approved'] })),
  claims('verdict __proto__', () => ({ verdict: '__proto__' })),
  claims('no verdict', () => ({ verdict: undefined })),
  claims('account_ids a text', () => ({ account_ids: 'psu-alice-1' })),
  claims('account_ids of another PSU', () => ({ account_ids: ['psu-bob-1'] })),
  {
    name: 'by another device of the PSU, which was not shown the request',
    forge: ({ tablet }) => ownedBy(tablet),
    refusal: CONFLICT,
  },
  { name: 'by a device of another PSU', forge: ({ bobsDevice }) => ownedBy(bobsDevice), refusal: NOT_FOUND },
  { name: 'by a device that was revoked', forge: ({ revokedDevice }) => ownedBy(revokedDevice), refusal: ACCESS_DENIED },
];

const ownedBy =
  ({ deviceId, key }: Bank['tablet']): Forge =>
  (honest) =>
    jws({ ...honest.header, alg: key.alg, kid: deviceId }, { ...honest.claims, device_id: deviceId }, by(key));

const BY_KIND: Readonly<Record<Kind, readonly PlacedForgery[]>> = {
  assertion: assertions,
  'request object': requestObjects,
  'ID token': idTokens,
  proof: proofs,
  registration: registrations,
  answer: answers,
  'authorization request': authorizationRequests,
  'hint token': hintTokens,
  'DPoP proof': dpopProofs,
  statement: statements,
  'registration request': registrationRequests,
};

/** Forgeries of what a token says, for the place that reads it. */
export const claimForgeries = ({ kind, alg }: Place): readonly PlacedForgery[] => (alg === 'ES256' ? BY_KIND[kind] : []);
