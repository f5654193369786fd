import { createPublicKey, hash, type KeyObject, verify } from 'node:crypto';
import { isObject } from './known.ts';
import { detailsAreWithin, sameJson } from './narrowing.ts';
import { sessionDataKeyOf } from './session-data-key.ts';
import { type Device, type Fact, OVERLAP_SECONDS, type Request, type Say, type Showing, type World } from './world.ts';

interface Given {
  request: Request;
  verdict: 'approved' | 'denied';
  /** Null for a session, and for a device that is none. */
  device: Device | null;
  deviceId: string | null;
  showing: Showing | undefined;
}
type Personal = Record<string, unknown>;

/**
 * R6: what was opened of an answer is what its PSU said. The device signed it, with the key that it had registered, over the digest of what it
 * was shown; the accounts and details are some of those that were shown.
 */
export const answerIsEvident = (world: World, given: Given, fact: Fact, personal: Personal, say: Say): void => {
  const { verdict, device, deviceId, showing } = given;
  const { answer: jws = null, accountIds, authorizationDetails = null } = personal;
  const isList = Array.isArray(accountIds) && accountIds.every((id) => typeof id === 'string');
  if (!isList || !(authorizationDetails === null || Array.isArray(authorizationDetails))) {
    say('P3', 'the sealed part holds no answer');
    return;
  }
  if (verdict === 'approved') isWithinShown(showing, accountIds, authorizationDetails, say);
  if (deviceId === null) {
    if (jws !== null) say('R6', 'a session signs nothing');
    return;
  }
  // What is wrong with a device that may not sign was said.
  if (device === null) return;
  const claims = typeof jws === 'string' ? signedClaims(jws, device, deviceId) : null;
  world.signatures += 1;
  if (claims === null) say('R6', 'the answer is not signed with the key that the device had registered');
  else if (!saysSo(claims, given, fact, { accountIds, authorizationDetails })) say('R6', 'what the device signed is not what was recorded');
};

const isWithinShown = (showing: Showing | undefined, accountIds: readonly string[], details: readonly unknown[] | null, say: Say): void => {
  const shown = showing?.shown;
  if (shown === undefined) return;
  if (!shown.whole) say('R6', 'not all of the request was shown where it was approved');
  const isSome = accountIds.length > 0 || shown.accountIds.length === 0;
  if (!isSome || new Set(accountIds).size !== accountIds.length || !accountIds.every((id) => shown.accountIds.includes(id)))
    say('R6', 'other accounts were approved than were shown');
  const asked = shown.authorizationDetails;
  if (details === null || asked === null ? details !== asked : !detailsAreWithin(details, asked))
    say('R6', 'more authorization details were approved than were shown');
};

const ALGORITHMS: Readonly<Record<string, string>> = { EC: 'ES256', OKP: 'EdDSA', RSA: 'RS256' };
const CURVES: Readonly<Record<string, string>> = { EC: 'P-256', OKP: 'Ed25519' };
const COMPACT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** The claims of a compact JWS that this device has signed; null for any other. */
const signedClaims = (jws: string, device: Device, deviceId: string): Personal | null => {
  if (!COMPACT.test(jws)) return null;
  const [first, second] = [jws.indexOf('.'), jws.lastIndexOf('.')];
  const header = objectIn(jws.slice(0, first));
  const kty = String(device.publicKey?.['kty']);
  if (header === null || header['alg'] !== ALGORITHMS[kty]) return null;
  if (device.dialect === 'countersign' && (header['typ'] !== 'consent-answer+jwt' || header['kid'] !== deviceId)) return null;
  const key = keyOf(device);
  const signature = Buffer.from(jws.slice(second + 1), 'base64url');
  if (key === null || !isSignature(key, kty, Buffer.from(jws.slice(0, second)), signature)) return null;
  return objectIn(jws.slice(first + 1, second));
};

/** The key of a device, imported once. */
const keyOf = (device: Device): KeyObject | null => {
  if (device.key === undefined) {
    const { publicKey } = device;
    try {
      const isKnown = publicKey?.['crv'] === CURVES[String(publicKey?.['kty'])];
      device.key = isKnown ? createPublicKey({ key: publicKey as Record<string, string>, format: 'jwk' }) : null;
    } catch {
      device.key = null;
    }
  }
  return device.key;
};

const isSignature = (key: KeyObject, kty: string, signed: Buffer, signature: Buffer): boolean => {
  if (kty === 'OKP') return verify(null, signed, key, signature);
  if (kty === 'RSA') return verify('sha256', signed, key, signature);
  return signature.length === 64 && verify('sha256', signed, key, derOf(signature));
};

/** SEQUENCE { INTEGER r, INTEGER s } from r ‖ s: node:crypto takes its time to do this by itself. */
const derOf = (signature: Buffer): Buffer => {
  const [r, s] = [integer(signature.subarray(0, 32)), integer(signature.subarray(32))];
  return Buffer.concat([Buffer.of(0x30, r.length + s.length), r, s]);
};

const integer = (bytes: Buffer): Buffer => {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  const digits = bytes.subarray(start);
  const isHigh = (digits[0] ?? 0) >= 0x80;
  const head = isHigh ? [0x02, digits.length + 1, 0] : [0x02, digits.length];
  return Buffer.concat([Buffer.from(head), digits]);
};

const objectIn = (base64url: string): Personal | null => {
  try {
    const value: unknown = JSON.parse(Buffer.from(base64url, 'base64url').toString());
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
};

interface Recorded {
  accountIds: readonly string[];
  authorizationDetails: readonly unknown[] | null;
}

const saysSo = (claims: Personal, given: Given, fact: Fact, recorded: Recorded): boolean => {
  switch (given.device?.dialect) {
    case 'countersign':
      return saysOwn(claims, given, fact, recorded);
    case 'push-auth':
      return (
        saysPhone(claims, given, fact, recorded, claims['sid'], claims['chg']) &&
        claims['res'] === (given.verdict === 'approved' ? 'SUCCESSFUL' : 'DENIED') &&
        claims['iss'] === 'wso2verify'
      );
    case 'push':
      return (
        saysPhone(claims, given, fact, recorded, claims['pushAuthId'] ?? claims['pushId'], claims['challenge']) &&
        claims['response'] === (given.verdict === 'approved' ? 'APPROVED' : 'DENIED') &&
        (given.verdict === 'denied' || bringsNumber(claims, given.showing))
      );
    default:
      return false;
  }
};

const saysOwn = (claims: Personal, { verdict, deviceId, showing }: Given, fact: Fact, recorded: Recorded): boolean => {
  const { authorization_details: approved = null, exp } = claims;
  const shown = showing?.shown;
  return (
    claims['request_id'] === fact.id &&
    claims['device_id'] === deviceId &&
    claims['digest'] === fact.data['digest'] &&
    claims['nonce'] === showing?.nonce &&
    claims['verdict'] === verdict &&
    typeof exp === 'number' &&
    exp > fact.at &&
    sameJson(claims['account_ids'], recorded.accountIds) &&
    (verdict === 'denied' ||
      (approved === null
        ? shown === undefined || sameJson(recorded.authorizationDetails, shown.authorizationDetails)
        : sameJson(recorded.authorizationDetails, approved)))
  );
};

const SKEW_SECONDS = 300;

/** What phones of the reference sign in either of their dialects: the session, the challenge, and at most the accounts. */
const saysPhone = (
  claims: Personal,
  { verdict, device, showing }: Given,
  fact: Fact,
  { accountIds, authorizationDetails }: Recorded,
  session: unknown,
  challenge: unknown,
): boolean => {
  const { exp } = claims;
  const shown = showing?.shown;
  const named = verdict === 'denied' ? [] : accountsNamed(claims['mta'] ?? null);
  const meant = named ?? (device?.dialect === 'push' ? shown?.accountIds : []);
  return (
    session === sessionDataKeyOf(fact.id) &&
    typeof challenge === 'string' &&
    hash('sha256', challenge, 'base64url') === showing?.nonce &&
    typeof exp === 'number' &&
    exp > fact.at - SKEW_SECONDS - OVERLAP_SECONDS &&
    (meant === undefined || sameJson(accountIds, meant)) &&
    (verdict === 'denied' || shown === undefined || sameJson(authorizationDetails, shown.authorizationDetails))
  );
};

/** The accounts that a phone of the reference names, in a JSON text inside the JSON; null where it names none. */
const accountsNamed = (mta: unknown): unknown => {
  if (typeof mta !== 'string' || mta === '') return null;
  try {
    const value: unknown = JSON.parse(mta);
    return isObject(value) ? (value['approvedAccountIds'] ?? null) : null;
  } catch {
    return null;
  }
};

/** Where the TPP shows a number, the PSU has to know it: its binding message, where that is one of one to three digits. */
const bringsNumber = (claims: Personal, showing: Showing | undefined): boolean => {
  const number = showing?.shown?.bindingMessage ?? '';
  return !/^[0-9]{1,3}$/.test(number) || String(claims['numberChallenge']) === number;
};
