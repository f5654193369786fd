import { generateKeyPairSync, sign } from 'node:crypto';
import { createRemoteJWKSet, type JWTPayload, jwtVerify } from 'jose';

type Headers = Readonly<Record<string, string>>;

/** A call of a TPP to a resource of the bank. */
export interface ResourceCall {
  method: string;
  path: string;
  headers?: Headers;
  body?: object;
}

/** What came of a call: what was sent on to the bank, or why the TPP is refused. */
export type Outcome =
  | { status: 200; sentOn: { headers: Headers; body: unknown } }
  | { status: number; errors: { code: string; message: string }[]; sentOn: null };

/** A gateway of the reference in front of the bank's resources, which knows nothing but the wire. */
export interface Gateway {
  /** Lets a call with an access token through, or not. */
  call(call: ResourceCall): Promise<Outcome>;
  /** The same for a token that was verified. */
  enforce(token: JWTPayload, call: ResourceCall): Promise<Outcome>;
}

/** What the definitions of its APIs hold, whatever the method. */
const RESOURCES = [
  ...['/accounts', '/accounts/{AccountId}', '/accounts/{AccountId}/balances', '/accounts/{AccountId}/transactions', '/balances'],
  ...['domestic-payment', 'domestic-scheduled-payment', 'domestic-standing-order', 'domestic-vrp'].flatMap((name) => ofPayment(name)),
  ...['international-payment', 'international-scheduled-payment', 'international-standing-order'].flatMap((name) => ofPayment(name)),
  '/funds-confirmations',
].map((template) => ({ template, matches: new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}$`) }));

function ofPayment(name: string): string[] {
  return [`/${name}s`, `/${name}s/{PaymentId}`, `/${name}-consents/{ConsentId}/funds-confirmation`];
}

const base64url = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const refused = (status: number, code: string, message: string): Outcome => ({ status, errors: [{ code, message }], sentOn: null });

/** A gateway that trusts the tokens of an issuer, and authenticates itself so at its consent service. */
export const gatewayOf = (issuer: string, authorization: string): Gateway => {
  const keys = createRemoteJWKSet(new URL(`${issuer}/oauth2/jwks`));
  // Of its own keystore: the reference registers it nowhere.
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwtOf = (claims: object): string => {
    const signed = `${base64url({ alg: 'RS512' })}.${base64url(claims)}`;
    return `${signed}.${sign('sha512', Buffer.from(signed), privateKey).toString('base64url')}`;
  };

  const validate = async (claims: object) => {
    const response = await fetch(`${issuer}/api/openbanking/consent/validate`, {
      method: 'POST',
      headers: { 'content-type': 'application/jwt', authorization },
      body: jwtOf(claims),
    });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    return (await response.json()) as {
      isValid: boolean;
      modifiedPayload?: unknown;
      errorCode?: string;
      errorMessage?: string;
      httpCode?: number;
      consentInformation?: string;
    };
  };

  const enforce: Gateway['enforce'] = async (token, { method, path, headers = {}, body }) => {
    const [, context = '', resource = ''] = /^(\/open-banking\/v3\.1\/\w+)(\/.*)$/.exec(path) ?? [];
    const elected = RESOURCES.find(({ matches }) => matches.test(resource.replace(/\?.*$/, '')));
    if (elected === undefined) return refused(404, '404', 'No matching resource found for given API Request');
    // A token of the client's own is for consents, and these are elsewhere.
    if (typeof token['consent_id'] !== 'string') return refused(403, '900910', 'The access token does not allow this resource');
    const answer = await validate({
      headers,
      ...(body !== undefined && { body }),
      electedResource: elected.template,
      consentId: token['consent_id'],
      userId: token.sub,
      clientId: token['client_id'],
      resourceParams: { resource, httpMethod: method, context },
    });
    if (!answer.isValid) return refused(Number(answer.httpCode), String(answer.errorCode), String(answer.errorMessage));
    const { modifiedPayload = null, consentInformation = null } = answer;
    if (modifiedPayload !== null) return { status: 200, sentOn: { headers, body: modifiedPayload } };
    const informed = consentInformation === null ? headers : { ...headers, 'Account-Request-Information': consentInformation };
    return { status: 200, sentOn: { headers: informed, body } };
  };

  return {
    enforce,
    async call(call) {
      const [, bearer = ''] = /^Bearer (.+)$/.exec(call.headers?.['authorization'] ?? '') ?? [];
      const token = await jwtVerify(bearer, keys, { issuer }).then(
        ({ payload }) => payload,
        () => null,
      );
      return token === null ? refused(401, '900901', 'Invalid Credentials') : enforce(token, call);
    },
  };
};
