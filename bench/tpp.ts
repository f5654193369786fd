import { createPrivateKey, randomUUID } from 'node:crypto';
import { type Answer, type Connection, get, post } from './connection.ts';
import { signEs256 } from './es256.ts';
import { accountOf, CONSENTING_USERS, consentIdOf, LODGED_BY, tokenOf, userOf } from './filling.ts';
import type { CibaParameters, ListeningTarget, TppClients } from './target.ts';

const ASSERTION_LIFE_SECONDS = 60;

/** The TPP of every scenario: its calls over one connection. What is not the answer that a scenario waits for is thrown. */
export interface Tpp {
  /** The next of the target's requests, in turn. */
  nextParameters(): CibaParameters;
  /** Answers the `auth_req_id`. */
  request(connection: Connection, parameters: CibaParameters): Promise<string>;
  /** Answers the error of a request that nobody has answered yet. */
  pollPending(connection: Connection, authReqId: string): Promise<'authorization_pending' | 'slow_down'>;
  redeem(connection: Connection, authReqId: string): Promise<Tokens>;
  introspectActive(connection: Connection, token: string): Promise<void>;
  /** How many consents or devices there are. */
  filled: number;
  /** Asks, as a gateway, about a call under one of the consents, by its number. */
  validate(connection: Connection, n: number): Promise<void>;
  /** Asks, as one of the users, for their devices. */
  lookUpDevices(connection: Connection, n: number): Promise<void>;
}

export interface Tokens {
  access_token: string;
  id_token: string;
  refresh_token: string;
}

export const makeTpp = (target: ListeningTarget, client: keyof TppClients, filled = 0): Tpp => {
  const { paths, requests } = target;
  const credentials =
    client === 'secret' || client === 'ping' || client === 'gateway'
      ? secretPost(target.clients[client])
      : privateKeyJwt(target.clients[client], target.issuer);
  const rendered = new Map(requests.map((parameters) => [parameters, form(parameters)]));
  const parametersOf =
    client === 'signedRequest'
      ? requestObject(target.clients.signedRequest, target.issuer)
      : (parameters: CibaParameters) => rendered.get(parameters) ?? form(parameters);
  const send = (connection: Connection, path: string, parameters: string): Promise<Answer> =>
    connection.send(post(path, `${credentials()}&${parameters}`));
  const redemption = `${form({ grant_type: 'urn:openid:params:grant-type:ciba' })}&auth_req_id=`;
  const { gateway } = target.clients;
  const asGateway = { ...JWT, authorization: basic(gateway.clientId, gateway.clientSecret) };
  let turn = 0;

  return {
    filled,
    nextParameters() {
      const parameters = requests[turn++ % requests.length];
      if (parameters === undefined) throw new Error('the target gives no requests');
      return parameters;
    },
    async request(connection, parameters) {
      const answer = await send(connection, paths.ciba, parametersOf(parameters));
      return expectJson<{ auth_req_id: string }>(answer, 200).auth_req_id;
    },
    async pollPending(connection, authReqId) {
      const answer = await send(connection, paths.token, redemption + authReqId);
      const { error } = expectJson<{ error: string }>(answer, 400);
      if (error !== 'authorization_pending' && error !== 'slow_down') throw new Unexpected(answer);
      return error;
    },
    async redeem(connection, authReqId) {
      const answer = await send(connection, paths.token, redemption + authReqId);
      const tokens = expectJson<Tokens>(answer, 200);
      if (!tokens.access_token || !tokens.id_token || !tokens.refresh_token) throw new Unexpected(answer);
      return tokens;
    },
    async introspectActive(connection, token) {
      const answer = await send(connection, paths.introspection, `token=${token}&token_type_hint=refresh_token`);
      if (!expectJson<{ active: boolean }>(answer, 200).active) throw new Unexpected(answer);
    },
    async validate(connection, n) {
      const user = userOf(n % CONSENTING_USERS);
      const resourceParams = { ResourcePath: `/accounts/${accountOf(user)}/balances`, httpMethod: 'GET' };
      const about = { headers: {}, body: null, electedResource: '/accounts/{AccountId}/balances', resourceParams };
      const claims = { ...about, consentId: consentIdOf(n), userId: user, clientId: LODGED_BY };
      const jwt = `${UNSECURED}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.`;
      const answer = await connection.send(post(paths.validate ?? '', jwt, asGateway));
      if (!expectJson<{ isValid: boolean }>(answer, 200).isValid) throw new Unexpected(answer);
    },
    async lookUpDevices(connection, n) {
      const answer = await connection.send(get(paths.devices ?? '', { authorization: `Bearer ${tokenOf(userOf(n))}` }));
      if (expectJson<unknown[]>(answer, 200).length !== 1) throw new Unexpected(answer);
    },
  };
};

const JWT = { 'content-type': 'application/jwt' };
const UNSECURED = Buffer.from('{"alg":"none"}').toString('base64url');
const basic = (user: string, password: string): string => `Basic ${btoa(`${user}:${password}`)}`;

const form = (parameters: Record<string, string>): string => new URLSearchParams(parameters).toString();

const secretPost = ({ clientId, clientSecret }: TppClients['secret']): (() => string) => {
  const credentials = form({ client_id: clientId, client_secret: clientSecret });
  return () => credentials;
};

/** Each call signs an assertion of its own, with its own `jti`: about 30 µs of the load's core. */
const privateKeyJwt = ({ clientId, jwk }: TppClients['privateKeyJwt'], issuer: string): (() => string) => {
  const key = createPrivateKey({ key: jwk, format: 'jwk' });
  const { kid } = jwk;
  const header = { typ: 'JWT', kid };
  const prefix = form({ client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' });
  return () => {
    const iat = Math.floor(Date.now() / 1000);
    const claims = { iss: clientId, sub: clientId, aud: issuer, jti: randomUUID(), iat, exp: iat + ASSERTION_LIFE_SECONDS };
    return `${prefix}&client_assertion=${signEs256(header, claims, key)}`;
  };
};

/** Each request is signed anew, with its own `jti`. */
const requestObject = ({ clientId, jwk }: TppClients['signedRequest'], issuer: string) => {
  const key = createPrivateKey({ key: jwk, format: 'jwk' });
  const header = { typ: 'oauth-authz-req+jwt', kid: jwk['kid'] };
  return (parameters: CibaParameters): string => {
    const iat = Math.floor(Date.now() / 1000);
    const claims = { iss: clientId, aud: issuer, jti: randomUUID(), iat, nbf: iat, exp: iat + ASSERTION_LIFE_SECONDS, ...parameters };
    return `request=${signEs256(header, claims, key)}`;
  };
};

/** The answer's JSON, if it came with this status. */
export const expectJson = <T>(answer: Answer, status: number): T => {
  if (answer.status !== status) throw new Unexpected(answer);
  return JSON.parse(answer.body.toString()) as T;
};

/** An answer that the scenario does not allow. It fails the whole run: a rate of wrong answers is not worth a number. */
export class Unexpected extends Error {
  constructor({ status, body }: Answer) {
    super(`unexpected answer: ${status} ${body.toString().slice(0, 500)}`);
  }
}
