import { createPublicKey, generateKeyPairSync, hash, type KeyObject, sign } from 'node:crypto';
import type { BundledFact } from '../../src/evidence/bundle.ts';
import { dialectOf } from './forged-showings.ts';
import { type History, signed } from './histories.ts';
import {
  changed,
  dataOf,
  edit,
  type Facts,
  idOf,
  type Json,
  personalOf,
  type Recipe,
  resealed,
  shownAt,
  streamOf,
  withData,
  withPersonal,
} from './recipes.ts';

const APPROVED = 'CibaRequestApproved';
const DENIED = 'CibaRequestDenied';

const jsonIn = (part: string | undefined): Json => JSON.parse(Buffer.from(part ?? '', 'base64url').toString());

interface Signed {
  header: Json;
  claims: Json;
  /** Of the device that has signed: what its registration says, and its key. */
  device: Json;
  privateKey: KeyObject;
}

/** What an answer on a device is, if it can be opened. */
const signedIn = (fact: BundledFact, facts: Facts, { deviceKeys }: History): Signed | null => {
  const { deviceId } = dataOf(fact);
  const privateKey = deviceKeys.get(deviceId);
  const [header, claims] = personalOf(fact)?.answer?.split('.') ?? [];
  const device = facts.find(({ event }) => event.type === 'DeviceRegistered' && event.stream === `device-${deviceId}`);
  if (privateKey === undefined || device === undefined || claims === undefined) return null;
  return { header: jsonIn(header), claims: jsonIn(claims), device: dataOf(device), privateKey };
};

/** Another signed text in an answer on a device of this dialect. */
const answered = (
  type: string,
  dialect: string,
  what: string,
  change: (given: Signed, fact: BundledFact, facts: Facts, history: History) => string | null,
): Recipe =>
  changed(type, 'R6', `${dialect}, ${what}`, (fact, facts, history) => {
    const given = signedIn(fact, facts, history);
    if (given === null || given.device.dialect !== dialect) return null;
    const answer = change(given, fact, facts, history);
    return answer === null ? null : withPersonal(fact, { ...personalOf(fact), answer });
  });

/** The device itself signs other claims; null where these are not in it. */
const claiming = (type: string, dialect: string, what: string, change: (claims: Json, fact: BundledFact) => Json | null): Recipe =>
  answered(type, dialect, what, ({ header, claims, privateKey }, fact) => {
    const others = change(claims, fact);
    return others === null ? null : signed(privateKey, header, others);
  });

/** Another signature over the same. */
const spoilt = (type: string, alg: string, what: string, spoil: (signature: Buffer) => Buffer): Recipe =>
  changed(type, 'R6', `${alg}, ${what} the signature`, (fact, facts, history) => {
    const { header } = signedIn(fact, facts, history) ?? {};
    if (header?.alg !== alg) return null;
    const personal = personalOf(fact);
    const [first, second, last] = personal.answer.split('.');
    const signature = spoil(Buffer.from(last, 'base64url')).toString('base64url');
    return withPersonal(fact, { ...personal, answer: [first, second, signature].join('.') });
  });

/** One byte of it is another. */
const spoiltAt = (type: string, alg: string, at: number): Recipe =>
  spoilt(type, alg, `another byte ${at} in`, (signature) => {
    signature[at] = (signature[at] as number) ^ 1;
    return signature;
  });

/** The same, signed with the key that another device has registered. */
const byAnother = (type: string, alg: string): Recipe =>
  changed(type, 'R6', `${alg}, signed by another registered device`, (fact, facts, history) => {
    const { header, claims, privateKey } = signedIn(fact, facts, history) ?? {};
    if (header?.alg !== alg || privateKey === undefined) return null;
    const own = createPublicKey(privateKey);
    const other = [...history.deviceKeys.values()].find(
      (key) => key.asymmetricKeyType === privateKey.asymmetricKeyType && !createPublicKey(key).equals(own),
    );
    return other === undefined ? null : withPersonal(fact, { ...personalOf(fact), answer: signed(other, header, claims) });
  });

/** The device has registered another key, whose thumbprint is right, and the answer is signed with that, if it can sign. */
const withKey = (what: string, publicKey: Record<string, string>, privateKey: KeyObject | null): Recipe => ({
  ...{ name: `${APPROVED}: by a device with ${what}`, rule: 'R6', at: APPROVED },
  make(facts, history) {
    const { crv, kty, x, y } = publicKey;
    const keyThumbprint = hash('sha256', JSON.stringify({ crv, kty, x, y }), 'base64url');
    const given = facts.findLast((fact) => fact.event.type === APPROVED && signedIn(fact, facts, history)?.device.publicKey.kty === kty);
    const index = facts.findIndex(
      ({ event }) => event.type === 'DeviceRegistered' && event.stream === `device-${given && dataOf(given).deviceId}`,
    );
    const [device, personal] = [facts[index], given && personalOf(given)];
    if (given === undefined || device === undefined) return null;
    const signedText = personal.answer.replace(/\.[^.]*$/, '');
    const answer =
      privateKey === null ? personal.answer : `${signedText}.${sign(null, Buffer.from(signedText), privateKey).toString('base64url')}`;
    const answered = withPersonal(withData(given, { ...dataOf(given), keyThumbprint }), { ...personal, answer });
    return {
      facts: facts.with(index, withData(device, { ...dataOf(device), publicKey, keyThumbprint })).with(given.index, answered),
      index,
    };
  },
});

const ED448 = generateKeyPairSync('ed448');

const hasDetails = (fact: BundledFact, facts: Facts): boolean => {
  const shown = streamOf(facts, fact).findLast(({ event }) => event.type === 'AuthorizationShown');
  return shown !== undefined && JSON.parse(personalOf(shown)?.shown ?? '{}').authorization_details != null;
};
const DETAIL = {
  type: 'account_information',
  actions: ['list_accounts', 'read_balances'],
  accounts: [{ accountId: 'a-1' }, { accountId: 'a-2' }],
};
const without = (claim: string) => (claims: Json) => ({ ...claims, [claim]: undefined });
const other = (claim: string, value: unknown) => (claims: Json) => ({ ...claims, [claim]: value });

/** What breaks the rule of evidence (R6) in answers. */
export const OF_ANSWERS: readonly Recipe[] = [
  ...[APPROVED, DENIED].flatMap((type) => [
    ...['ES256', 'EdDSA', 'RS256'].flatMap((alg) => [spoiltAt(type, alg, 7), spoiltAt(type, alg, 40), byAnother(type, alg)]),
    resealed(type, 'R6', 'no signature', (personal, fact) => (dataOf(fact).deviceId === null ? null : { ...personal, answer: null })),
    resealed(type, 'R6', 'one in a session', (personal, fact) => (dataOf(fact).deviceId === null ? { ...personal, answer: 'x' } : null)),
    answered(type, 'countersign', 'no signature behind the claims', (_, fact) => personalOf(fact).answer.replace(/[^.]*$/, '')),
    spoilt(type, 'ES256', 'a zero in', (signature) => Buffer.concat([signature.subarray(0, 32), Buffer.of(0), signature.subarray(32)])),
    ...['x', 'x.x.x', 'e30.e30', 'e30.x.e30'].map((text) => answered(type, 'countersign', `the text ${text}`, () => text)),
    answered(type, 'countersign', 'another algorithm', ({ header, claims, privateKey }) =>
      signed(privateKey, { ...header, alg: 'none' }, claims),
    ),
    answered(type, 'countersign', 'another typ', ({ header, claims, privateKey }) => signed(privateKey, { ...header, typ: 'JWT' }, claims)),
    answered(type, 'countersign', 'another kid', ({ header, claims, privateKey }) => signed(privateKey, { ...header, kid: 'x' }, claims)),
    ...['request_id', 'device_id', 'digest', 'nonce', 'verdict', 'account_ids'].map((claim) =>
      claiming(type, 'countersign', `another ${claim}`, other(claim, claim === 'account_ids' ? ['a-9'] : 'denies')),
    ),
    claiming(type, 'countersign', 'over when it was given', (claims, fact) => ({ ...claims, exp: dataOf(fact).at })),
    claiming(type, 'countersign', 'without an end', without('exp')),
    ...['push-auth', 'push'].flatMap((dialect) => [
      ...(dialect === 'push' ? ['pushAuthId', 'challenge', 'response'] : ['sid', 'chg', 'iss', 'res']).flatMap((claim) => [
        claiming(type, dialect, `another ${claim}`, other(claim, 'another')),
        claiming(type, dialect, `no ${claim}`, without(claim)),
      ]),
      claiming(type, dialect, 'over long before it was given', (claims, fact) => ({ ...claims, exp: dataOf(fact).at - 330 })),
      claiming(type, dialect, 'without an end', without('exp')),
    ]),
    claiming(type, 'push', 'the other verdict', other('response', type === APPROVED ? 'DENIED' : 'APPROVED')),
    claiming(type, 'push-auth', 'the other verdict', other('res', type === APPROVED ? 'DENIED' : 'SUCCESSFUL')),
  ]),
  claiming(APPROVED, 'countersign', 'details that are not those recorded', (claims) => ({
    ...claims,
    authorization_details: [DETAIL, DETAIL],
  })),
  claiming(APPROVED, 'countersign', 'all that was shown, where less was recorded', (claims) =>
    claims.authorization_details === undefined ? null : { ...claims, authorization_details: undefined },
  ),
  ...['push-auth', 'push'].flatMap((dialect) => [
    claiming(APPROVED, dialect, 'other accounts', (claims) => ({ ...claims, mta: JSON.stringify({ approvedAccountIds: ['a-9'] }) })),
    changed(APPROVED, 'R6', `${dialect}, less details than were shown`, (fact, facts) => {
      const personal = dialectOf(fact, facts) === dialect ? personalOf(fact) : null;
      if (personal?.authorizationDetails == null) return null;
      return withPersonal(fact, { ...personal, authorizationDetails: [{ ...DETAIL, actions: ['list_accounts'] }] });
    }),
  ]),
  claiming(APPROVED, 'push-auth', 'no accounts', (claims) => (claims.mta === undefined ? null : { ...claims, mta: '' })),
  claiming(APPROVED, 'push', 'all accounts', (claims, fact) =>
    personalOf(fact).accountIds.length === 1 ? { ...claims, mta: undefined } : null,
  ),
  ...['7', undefined].map((number) =>
    claiming(APPROVED, 'push', `${number === undefined ? 'no' : 'another'} number`, (claims) =>
      claims.numberChallenge === '42' ? { ...claims, numberChallenge: number } : null,
    ),
  ),
  shownAt(
    APPROVED,
    edit('DeviceRegistered', 'R6', 'of a dialect that nobody knows', (data, fact, facts) => {
      const isUsed = facts.some((one) => one.event.type === APPROVED && dataOf(one).deviceId === idOf(fact));
      return isUsed && data.dialect === 'countersign' ? { ...data, dialect: 'another' } : null;
    }),
  ),

  withKey('a key that is none', { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' }, null),
  withKey('a key of another curve', ED448.publicKey.export({ format: 'jwk' }) as Record<string, string>, ED448.privateKey),

  // In a session nothing is signed: what is approved is judged by what was shown alone.
  ...['AuthorizationApproved', APPROVED].flatMap((type) => [
    resealed(type, 'R6', 'an account that was not shown', (personal) => ({ ...personal, accountIds: ['a-9'] })),
    resealed(type, 'R6', 'none of the accounts', (personal) => (personal.accountIds.length > 0 ? { ...personal, accountIds: [] } : null)),
    resealed(type, 'R6', 'an account twice', (personal) =>
      personal.accountIds.length > 0 ? { ...personal, accountIds: [personal.accountIds[0], personal.accountIds[0]] } : null,
    ),
    resealed(type, 'R6', 'details where none were shown', (personal) =>
      personal.authorizationDetails == null ? { ...personal, authorizationDetails: [DETAIL] } : null,
    ),
  ]),
  ...Object.entries({
    'no details': null,
    'an empty list of details': [],
    'details twice': [DETAIL, DETAIL],
    'details of another type': [{ type: 'payment_initiation' }],
    'details of a type of the ASPSP’s own': [{ type: 'another' }],
    'an account without its id': [{ ...DETAIL, accounts: [{}] }],
    'more actions': [{ ...DETAIL, actions: [...DETAIL.actions, 'read_transactions'] }],
    'an action twice': [{ ...DETAIL, actions: ['list_accounts', 'list_accounts'] }],
    'more accounts': [{ ...DETAIL, accounts: [{ accountId: 'a-9' }] }],
    'a member more': [{ ...DETAIL, locations: ['x'] }],
    'no actions': [{ type: DETAIL.type, accounts: DETAIL.accounts }],
  }).map(([what, authorizationDetails]) =>
    resealed('AuthorizationApproved', 'R6', what, (personal, fact, facts) =>
      hasDetails(fact, facts) ? { ...personal, authorizationDetails } : null,
    ),
  ),

  ...['AuthorizationApproved', APPROVED, DENIED].flatMap((type) => [
    resealed(type, 'P3', 'no accounts', ({ accountIds: _, ...personal }) => personal),
    resealed(type, 'P3', 'accounts that are no texts', (personal) => ({ ...personal, accountIds: [1] })),
    resealed(type, 'P3', 'details that are no list', (personal) => ({ ...personal, authorizationDetails: {} })),
  ]),
];
