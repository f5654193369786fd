import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Ids } from '../../domain/ports/clock.ts';
import { type Form, parseForm } from '../body.ts';
import type { Call } from '../route.ts';

const COOKIE_SECONDS = 600;
const SECRET = /^[\w-]{43}$/;

// RFC 6265bis: no other host, and no page without TLS, can set a cookie of this name. Each request has its own, so that tabs do not meet;
// it is short, so that as many as a browser keeps for one host (180 in Chrome) still fit into the headers that we read.
const cookieName = (requestId: string): string => `__Host-a-${requestId.slice(0, 8)}`;

/** The header that gives a browser its secret for a request. */
export const withSecret = (requestId: string, secret: string): { 'Set-Cookie': string } => ({
  'Set-Cookie': `${cookieName(requestId)}=${secret}; Path=/; Max-Age=${COOKIE_SECONDS}; Secure; HttpOnly; SameSite=Lax`,
});

/** The secret that a browser has for a request, or null. */
export const secretOf = ({ cookie = '' }: IncomingHttpHeaders, requestId: string): string | null => {
  const name = `${cookieName(requestId)}=`;
  const found = cookie
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(name));
  const secret = found[0]?.slice(name.length) ?? '';
  return found.length === 1 && SECRET.test(secret) ? secret : null;
};

/** What the forms of a request carry: only a page that was made for the browser with this secret holds it. */
export const csrfTokenOf = (requestId: string, secret: string, ids: Pick<Ids, 'hash'>): string => ids.hash(`csrf\n${requestId}\n${secret}`);

/** A form that was posted from our own page, in the browser that the page was made for. */
export interface Posted {
  requestId: string;
  secret: string;
  form: Form;
}

/** Reads a posted form, or refuses: it came from another site, or from a page for another browser. */
export const readPosted = async (call: Call, ids: Pick<Ids, 'hash'>, mostParameters?: number): Promise<Posted> => {
  const { headers } = call;
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin') throw new OAuthError('invalid_request', 'the form came from another site');
  const form = parseForm(await call.text(), headers, mostParameters);
  const { interaction_id: requestId = '', csrf_token: token = '' } = form;
  const secret = secretOf(headers, requestId);
  if (secret === null || !same(csrfTokenOf(requestId, secret, ids), token))
    throw new OAuthError('invalid_request', 'the form was not made for this browser');
  return { requestId, secret, form };
};

const same = (one: string, other: string): boolean => {
  const [a, b] = [Buffer.from(one), Buffer.from(other)];
  return a.length === b.length && timingSafeEqual(a, b);
};
