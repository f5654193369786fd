import { createHash, randomBytes } from 'node:crypto';
import { expect } from '@jest/globals';
import { type Arrival, type Conduct, makeBrowser } from './browser.ts';
import { good, type Otherwise, registerTpp, type Tpp } from './tpp.ts';
import type { Answer, Form, Wire } from './wire.ts';

export const CALLBACK = 'https://tpp.example/callback';
const REDIRECTING = ['authorization_code', 'refresh_token', 'client_credentials', 'urn:openid:params:grant-type:ciba'] as const;

/** The metadata of a client of the redirect flow. */
export const redirecting = (more: Parameters<typeof registerTpp>[1] = {}): NonNullable<Parameters<typeof registerTpp>[1]> => ({
  grant_types: [...REDIRECTING],
  response_types: ['code'],
  redirect_uris: [CALLBACK],
  ...more,
});

/** A code verifier and its challenge. */
export const makePkce = () => {
  const verifier = randomBytes(32).toString('base64url');
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') };
};

/** A client with a browser of Alice. Parameters that are undefined are left out. */
export interface Flow {
  tpp: Tpp;
  /** The parameters that every request of the client needs. */
  usual: Record<string, unknown>;
  pkce: ReturnType<typeof makePkce>;
  /** Opens the authorization endpoint with these parameters. */
  open(parameters: Record<string, unknown>, conduct?: Conduct): Promise<Arrival>;
  /** Opens it with a signed request object by value. */
  openSigned(claims?: Record<string, unknown>, conduct?: Conduct, beside?: Record<string, unknown>): Promise<Arrival>;
  push(parameters: Record<string, unknown>, otherwise?: Otherwise): Promise<Answer>;
  pushSigned(claims?: Record<string, unknown>, otherwise?: Otherwise): Promise<Answer>;
  /** Opens what was pushed. */
  openPushed(pushed: Answer, conduct?: Conduct): Promise<Arrival>;
  redeem(code: string, more?: Record<string, string | undefined>, otherwise?: Otherwise): Promise<Answer>;
}

export const startFlow = async (
  wire: Wire,
  metadata: Parameters<typeof registerTpp>[1],
  usual: Record<string, unknown> = {},
): Promise<Flow> => {
  const tpp = await registerTpp(wire, metadata);
  const browse = makeBrowser(wire);
  const pkce = makePkce();
  const all: Flow['usual'] = {
    ...{ client_id: tpp.clientId, response_type: 'code', redirect_uri: CALLBACK, scope: 'openid accounts' },
    ...{ state: randomBytes(8).toString('hex'), nonce: randomBytes(16).toString('hex') },
    ...{ code_challenge: pkce.challenge, code_challenge_method: 'S256' },
    ...usual,
  };
  const open: Flow['open'] = (parameters, conduct) =>
    browse(`${wire.endpoint('authorization_endpoint', 'plain')}?${new URLSearchParams(formOf(parameters))}`, conduct);
  const push: Flow['push'] = (parameters, otherwise) => tpp.post('pushed_authorization_request_endpoint', formOf(parameters), otherwise);
  const { clientId: client_id } = tpp;
  return {
    ...{ tpp, usual: all, pkce, open, push },
    openSigned: async (claims = {}, conduct = {}, beside = {}) => {
      const { response_type, scope } = { ...all, ...claims } as Form;
      return open({ client_id, response_type, scope, request: await tpp.request({ ...all, ...claims }), ...beside }, conduct);
    },
    pushSigned: async (claims = {}, otherwise) => push({ request: await tpp.request({ ...all, ...claims }) }, otherwise),
    openPushed: (pushed, conduct) => open({ client_id, request_uri: good(pushed).body['request_uri'] }, conduct),
    redeem: (code, more = {}, otherwise) =>
      tpp.token(
        formOf({ grant_type: 'authorization_code', code, redirect_uri: CALLBACK, code_verifier: pkce.verifier, ...more }),
        otherwise,
      ),
  };
};

const formOf = (parameters: Record<string, unknown>): Form =>
  Object.fromEntries(
    Object.entries(parameters)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
  );

/** The parameters that the client was given, in whichever part of its redirect URI. */
export const given = (arrival: Arrival): Record<string, string> => {
  if (arrival.at !== 'client')
    throw new Error(`the browser stayed at the server: ${arrival.status} ${arrival.text.replace(/.*<main>/s, '')}`);
  expect(`${arrival.url.origin}${arrival.url.pathname}`).toBe(CALLBACK);
  return Object.fromEntries([...arrival.query, ...arrival.fragment]);
};

/** A refusal: an error page that leads nowhere, or one of these errors at the client, with no code in either. */
export const expectNoCode = (arrival: Arrival, ...errors: string[]): void => {
  if (arrival.at === 'page') {
    expect(arrival.status).toBeGreaterThanOrEqual(400);
    expect(arrival.status).toBeLessThan(500);
    return;
  }
  const { error, code, response } = given(arrival);
  expect({ code, response }).toEqual({ code: undefined, response: undefined });
  expect(errors).toContain(error);
};
