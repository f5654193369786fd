import { createHash, randomBytes } from 'node:crypto';
import type { z } from 'zod';
import type { clientMetadata } from '../../src/domain/client/metadata.ts';
import { type Browser, browser, decide, signIn, type Visited } from './browser.ts';
import type { TestEngine } from './engine.ts';
import { secretTpp } from './tpp.ts';

export const CALLBACK = 'https://tpp.example/callback';
type Form = Record<string, string>;

/** What a client needs for the redirect flow. */
export const redirecting = {
  grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
  response_types: ['code', 'code id_token'],
  redirect_uris: [CALLBACK],
} satisfies Partial<z.input<typeof clientMetadata>>;

/** A verifier with its S256 challenge (RFC 7636). */
export const pkce = () => {
  const verifier = randomBytes(32).toString('base64url');
  const challenge = createHash('sha256').update(verifier).digest('base64url');
  return { verifier, parameters: { code_challenge: challenge, code_challenge_method: 'S256' } };
};

/** A client of the plain profile in the redirect flow. */
export const redirectTpp = async (tested: TestEngine, metadata: object = {}) => {
  const auth = await secretTpp(tested, { ...redirecting, ...metadata } as Parameters<typeof secretTpp>[1]);
  const { verifier, parameters } = pkce();
  const request: Form = {
    client_id: auth.client_id,
    response_type: 'code',
    redirect_uri: CALLBACK,
    scope: 'openid accounts',
    state: 'a-state',
    nonce: 'a-nonce',
    ...parameters,
  };
  const redeem = (code: string, form: Form = {}) =>
    tested.post('/oauth2/token', {
      ...auth,
      grant_type: 'authorization_code',
      code,
      redirect_uri: CALLBACK,
      code_verifier: verifier,
      ...form,
    });
  return { auth, request, verifier, redeem };
};
export type RedirectTpp = Awaited<ReturnType<typeof redirectTpp>>;

/** The address at which a request begins. */
export const authorizeUrl = (parameters: Form): string => `/oauth2/authorize?${new URLSearchParams(parameters)}`;

/** Goes through the pages as Alice and gives the last one. */
export const answered = async (
  tested: Pick<TestEngine, 'url'>,
  parameters: Form,
  {
    verdict = 'approved',
    username = 'alice',
    at = browser(tested.url),
  }: { verdict?: 'approved' | 'denied'; username?: string; at?: Browser } = {},
): Promise<Visited> => decide(at, await signIn(at, await at.get(authorizeUrl(parameters)), username), verdict);
