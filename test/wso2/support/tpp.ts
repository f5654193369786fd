import { expect } from '@jest/globals';
import { CIBA_GRANT, JWT_BEARER_GRANT } from '../../../src/domain/client/metadata.ts';
import type { TestEngine } from '../../support/engine.ts';
import { sendForm, sendJson } from '../../support/http.ts';
import type { TestKey } from '../../support/jws.ts';
import { type SigningTpp, signingTpp } from '../../support/tpp.ts';

type Form = Record<string, string>;

/** What a TPP of the reference is registered with. */
export const REFERENCE = {
  profile: 'wso2-compat' as const,
  scope: 'openid accounts payments fundsconfirmations',
  grant_types: ['client_credentials' as const, 'refresh_token' as const, JWT_BEARER_GRANT, CIBA_GRANT] as (
    | 'client_credentials'
    | 'refresh_token'
    | typeof JWT_BEARER_GRANT
    | typeof CIBA_GRANT
  )[],
};

export const referenceTpp = (tested: TestEngine, metadata: Parameters<typeof signingTpp>[1] = {}, key?: TestKey): Promise<SigningTpp> =>
  signingTpp(tested, { ...REFERENCE, ...metadata }, key);

/** A refusal of OAuth: its status and exactly its body. */
export const refused = async (reply: Promise<Response>, status: number, error: string, description?: string): Promise<void> => {
  const response = await reply;
  const body = await response.json();
  expect([response.status, body]).toEqual([status, { error, error_description: description ?? expect.stringMatching(/\w/) }]);
};

/** The claims of a JWT. */
export const claimsOf = (jwt: string): Record<string, unknown> => JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString());

/** A token of the client's own. */
export const tokenFor = async (tested: TestEngine, tpp: SigningTpp, scope: string, headers: Form = {}): Promise<string> => {
  const form = { ...(await tpp.authentication()), grant_type: 'client_credentials', scope };
  const response = await sendForm(tested, '/oauth2/token', form, headers);
  const body = (await response.json()) as Form;
  if (!response.ok) throw new Error(`${response.status} ${JSON.stringify(body)}`);
  return String(body['access_token']);
};

export interface IntentBody {
  Data: { ConsentId: string; Status: string; [member: string]: unknown };
  Risk: object;
  Links: { Self: string };
  Meta: object;
}

/** One kind of intents, called with a token of its scope. */
export const intentsAt = async (tested: TestEngine, tpp: SigningTpp, path: string, scope: string) => {
  const own = { authorization: `Bearer ${await tokenFor(tested, tpp, scope)}` };
  const at = `/open-banking/v3.1/${path}`;
  return {
    at,
    own,
    post: (body: object | string, headers: Form = {}) => sendJson(tested, 'POST', at, body, { ...own, ...headers }),
    call: (method: string, below: string, body?: object | string, headers: Form = {}) =>
      sendJson(tested, method, `${at}/${below}`, body, { ...own, ...headers }),
  };
};
