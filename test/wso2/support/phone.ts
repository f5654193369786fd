import { constants, createSign, generateKeyPairSync, type KeyObject, randomUUID, sign } from 'node:crypto';

/** What the QR code of the reference says. */
export interface DiscoveryData {
  did: string;
  un: string;
  fn?: string;
  td: string;
  hst: string;
  bp: string;
  re: string;
  ae: string;
  rde: string;
  chg: string;
}

/** The same in the newer dialect. */
export interface NewerDiscoveryData {
  deviceId: string;
  username: string;
  host: string;
  tenantDomain: string;
  challenge: string;
}

/** What a push brings: texts under their names. */
export type PushData = Readonly<Record<string, string>>;

/** What the app shows of a push. */
export interface ShownConsent {
  consentData: { title: string; data: string[] }[];
  accounts: { account_id: string; display_name: string }[];
  type: string;
  application: string;
  isError?: string;
  binding_message?: string;
}

/** What to change in a statement before it is signed; `undefined` leaves a member out. */
export interface Change {
  claims?: object;
  header?: object;
  key?: KeyObject;
}

/** A phone that knows nothing but the wire of the reference. */
export interface Phone {
  deviceId: string;
  pushId: string;
  publicKey: string;
  /** Where its answers go. */
  answersTo: string;
  jwt(claims: object, change?: Change): string;
  /** The app's screen. */
  shows(push: PushData): ShownConsent;
  approve(push: PushData, accountIds?: readonly string[], change?: Change): Promise<Response>;
  deny(push: PushData, change?: Change): Promise<Response>;
  /** The token that removes it. */
  removal(change?: Change): string;
}

export const post = (url: string, body: unknown): Promise<Response> =>
  fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

export const keyPair = (modulusLength: number) => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength });
  return { privateKey, publicKey: publicKey.export({ format: 'der', type: 'spki' }).toString('base64') };
};

const base64url = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

const jwtOf = (key: KeyObject, header: object, claims: object): string => {
  const signed = `${base64url(header)}.${base64url(claims)}`;
  const signature = sign('sha256', Buffer.from(signed), { key, padding: constants.RSA_PKCS1_PADDING });
  return `${signed}.${signature.toString('base64url')}`;
};

const signatureOf = (key: KeyObject, text: string): string => createSign('RSA-SHA256').update(text).sign(key, 'base64');

const now = () => Math.floor(Date.now() / 1000);
const anHour = () => ({ jti: randomUUID(), nbf: now(), iat: now(), exp: now() + 3600 });
const shown = (push: PushData): ShownConsent => JSON.parse(push['metadata'] ?? 'null');

/** The body with which a phone of the older dialect registers. */
export const registrationOf = (data: DiscoveryData, pushId: string, { privateKey, publicKey } = keyPair(2048)) => ({
  privateKey,
  body: {
    ...{ deviceId: data.did, model: 'SM-A520', name: 'My phone', publicKey, pushId },
    signature: signatureOf(privateKey, `${data.chg}.${pushId}`),
  },
});

/** Registers a phone by what its camera has read (C1, C2). */
export const registerPhone = async (data: DiscoveryData, pushId = `push-${randomUUID()}`, bits = 2048): Promise<Phone> => {
  const keys = keyPair(bits);
  const response = await post(data.hst + data.bp + data.re, registrationOf(data, pushId, keys).body);
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
  return phoneOf(data, pushId, keys);
};

/** A phone that is registered, by what its camera has read then. */
export const phoneOf = (data: DiscoveryData, pushId: string, { privateKey, publicKey }: ReturnType<typeof keyPair>): Phone => {
  const common = () => ({ ...anHour(), sub: `${data.un}@${data.td}`, iss: 'wso2verify', aud: `${data.hst}/t/${data.td}/` });
  const jwt: Phone['jwt'] = (claims, change = {}) =>
    jwtOf(
      change.key ?? privateKey,
      { typ: 'JWT', alg: 'RS256', did: data.did, ...change.header },
      { ...common(), ...claims, ...change.claims },
    );
  const answersTo = data.hst + data.ae;
  const answer = (push: PushData, res: string, approvedAccountIds: readonly string[], change?: Change) => {
    const claims = { sid: push['sessionDataKey'], chg: push['challenge'], mta: JSON.stringify({ approvedAccountIds }), res };
    return post(answersTo, { authResponse: jwt(claims, change) });
  };
  return {
    ...{ deviceId: data.did, pushId, publicKey, answersTo, jwt, shows: shown },
    approve: (push, accountIds = shown(push).accounts.map((account) => account.account_id), change) =>
      answer(push, 'SUCCESSFUL', accountIds, change),
    deny: (push, change) => answer(push, 'DENIED', [], change),
    removal: (change) => jwt({ act: 'REMOVE' }, change),
  };
};

/** The body with which a phone of the newer dialect registers. */
export const newerRegistrationOf = (data: NewerDiscoveryData, deviceToken: string, { privateKey, publicKey } = keyPair(2048)) => ({
  privateKey,
  body: {
    ...{ deviceId: data.deviceId, model: 'iPhone', name: 'My phone', deviceToken, publicKey },
    ...{ signature: signatureOf(privateKey, `${data.challenge}.${deviceToken}`), provider: { name: 'FCM', metadata: null } },
  },
});

/** Registers a phone of the newer dialect (C5). Where the PSU reads a number, they type it. */
export const registerNewerPhone = async (data: NewerDiscoveryData, deviceToken = `token-${randomUUID()}`): Promise<Phone> => {
  const { privateKey, body } = newerRegistrationOf(data, deviceToken);
  const response = await post(`${data.host}/t/${data.tenantDomain}/api/users/v1/me/push/devices`, body);
  if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
  const jwt: Phone['jwt'] = (claims, change = {}) =>
    jwtOf(
      change.key ?? privateKey,
      { typ: 'JWT', alg: 'RS256', deviceId: data.deviceId, ...change.header },
      { ...anHour(), ...claims, ...change.claims },
    );
  const answersTo = `${data.host}/t/${data.tenantDomain}/push-auth/authenticate`;
  const answer = (push: PushData, response: string, change?: Change) => {
    const { pushId: pushAuthId, challenge, numberChallenge } = push;
    return post(answersTo, { authResponse: jwt({ pushAuthId, challenge, numberChallenge, response }, change) });
  };
  return {
    ...{ deviceId: data.deviceId, pushId: deviceToken, publicKey: body.publicKey, answersTo, jwt, shows: shown },
    approve: (push, _accountIds, change) => answer(push, 'APPROVED', change),
    deny: (push, change) => answer(push, 'DENIED', change),
    removal: (change) => jwt({ act: 'REMOVE', aud: `${data.host}/` }, change),
  };
};
