import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { browser, type Visited } from '../support/browser.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { testKey } from '../support/jws.ts';
import { facts } from '../support/log.ts';
import { authorizeUrl, pkce, redirecting } from '../support/redirecting.ts';
import { type SigningTpp, secretTpp, signingTpp } from '../support/tpp.ts';

const REGISTERED = 'https://tpp.example/callback';
const WITH_QUERY = 'https://tpp.example/with?tenant=1';

/** What an attacker, or a careless client, might put in the place of what is registered. */
const FORGED: readonly string[] = [
  // another path
  'https://tpp.example/callback/',
  'https://tpp.example/callback/..',
  'https://tpp.example/callback/../evil',
  'https://tpp.example/callback/../callback',
  'https://tpp.example/./callback',
  'https://tpp.example//callback',
  'https://tpp.example/callback//',
  'https://tpp.example/callback/evil',
  'https://tpp.example/callbackevil',
  'https://tpp.example/callback.evil.example',
  'https://tpp.example/call',
  'https://tpp.example/',
  'https://tpp.example',
  'https://tpp.example/Callback',
  'https://tpp.example/CALLBACK',
  'https://tpp.example/callback;',
  'https://tpp.example/callback;jsessionid=1',
  'https://tpp.example/evil/../callback',
  'https://tpp.example/%2e%2e/callback',
  'https://tpp.example/callback/%2e%2e/evil',
  'https://tpp.example/callback%2fevil',
  'https://tpp.example/callback%2f',
  'https://tpp.example%2fcallback',
  'https://tpp.example/%63allback',
  'https://tpp.example/callback%00',
  'https://tpp.example/callback%0d%0aLocation:%20https://evil.example',
  'https://tpp.example/callback%20',
  'https://tpp.example/callback%23',
  'https://tpp.example/callback%3f',
  'https://tpp.example\\callback',
  'https://tpp.example/callback\\evil',
  // another query or fragment
  'https://tpp.example/callback?',
  'https://tpp.example/callback?x=1',
  'https://tpp.example/callback?redirect=https://evil.example',
  'https://tpp.example/callback?code=x',
  'https://tpp.example/callback#',
  'https://tpp.example/callback#evil',
  'https://tpp.example/callback#@evil.example/',
  'https://tpp.example/with',
  'https://tpp.example/with?tenant=2',
  'https://tpp.example/with?tenant=1&tenant=2',
  'https://tpp.example/with?tenant=1&',
  'https://tpp.example/with?tenant=1#',
  'https://tpp.example/with?tenant=%31',
  // another host
  'https://evil.example/callback',
  'https://tpp.example.evil.example/callback',
  'https://evil.example/tpp.example/callback',
  'https://eviltpp.example/callback',
  'https://sub.tpp.example/callback',
  'https://tpp.example./callback',
  'https://tpp.example../callback',
  'https://.tpp.example/callback',
  'https://TPP.example/callback',
  'https://tpp.EXAMPLE/callback',
  'https://tpp%2eexample/callback',
  'https://tpp。example/callback',
  'https://tpp．example/callback',
  'https://tрp.example/callback',
  'https://xn--tp-emc.example/callback',
  'https://tpp.exаmple/callback',
  'https://tpp.example\u200b/callback',
  'https://tpp.example\u202e/callback',
  'https://127.0.0.1/callback',
  'https://[::1]/callback',
  'https://localhost/callback',
  'https://2130706433/callback',
  'https://0x7f000001/callback',
  'https://169.254.169.254/callback',
  // another port or scheme
  'https://tpp.example:443/callback',
  'https://tpp.example:8443/callback',
  'https://tpp.example:0/callback',
  'https://tpp.example:/callback',
  'http://tpp.example/callback',
  'http://localhost/callback',
  'http://127.0.0.1:8080/callback',
  'HTTPS://tpp.example/callback',
  'hTTps://tpp.example/callback',
  'https:tpp.example/callback',
  'https:/tpp.example/callback',
  'https:///tpp.example/callback',
  '//tpp.example/callback',
  '/callback',
  'callback',
  'tpp.example/callback',
  'ftp://tpp.example/callback',
  'com.tpp.app:/callback',
  'javascript:alert(1)',
  'javascript://tpp.example/%0aalert(1)',
  'JaVaScRiPt:alert(1)//https://tpp.example/callback',
  'data:text/html,<script>alert(1)</script>',
  'data:text/html;base64,PHNjcmlwdD4=',
  'vbscript:msgbox(1)',
  'file:///etc/passwd',
  'about:blank',
  'blob:https://tpp.example/x',
  'view-source:https://tpp.example/callback',
  'urn:ietf:wg:oauth:2.0:oob',
  // user info
  'https://user@tpp.example/callback',
  'https://user:password@tpp.example/callback',
  'https://@tpp.example/callback',
  'https://tpp.example@evil.example/callback',
  'https://tpp.example:443@evil.example/callback',
  'https://tpp.example%40evil.example/callback',
  'https://evil.example#@tpp.example/callback',
  'https://evil.example\\@tpp.example/callback',
  'https://evil.example?@tpp.example/callback',
  'https://evil.example;@tpp.example/callback',
  // not quite a URL
  ' https://tpp.example/callback',
  'https://tpp.example/callback ',
  '\thttps://tpp.example/callback',
  'https://tpp.example/callback\n',
  'https://tpp.example/callback\r\nSet-Cookie: a=b',
  'https://tpp.example/call\tback',
  '\u0000https://tpp.example/callback',
  '\ufeffhttps://tpp.example/callback',
  'https://tpp.example/callback,https://evil.example',
  'https://tpp.example/callback https://evil.example',
  'https://evil.example/ https://tpp.example/callback',
  '"https://tpp.example/callback"',
  '[object Object]',
  'null',
  '*',
  'https://*.example/callback',
  'https://tpp.example/*',
];

let tested: TestEngine;
let auth: { client_id: string; client_secret: string };
let signing: SigningTpp;
beforeAll(async () => {
  tested = await testEngine();
  const metadata = { ...redirecting, grant_types: [...redirecting.grant_types], redirect_uris: [REGISTERED, WITH_QUERY] };
  auth = await secretTpp(tested, metadata as Parameters<typeof secretTpp>[1]);
  const key = testKey('ES256');
  signing = await signingTpp(tested, metadata as Parameters<typeof signingTpp>[1], key);
});
afterAll(() => tested.close());

const { parameters: challenge } = pkce();
const request = () => ({
  client_id: auth.client_id,
  response_type: 'code',
  redirect_uri: REGISTERED,
  scope: 'openid accounts',
  state: 'state',
  nonce: 'nonce',
  ...challenge,
});

/** Shown to the person: it leads nowhere, and not into a page either. */
const staysHere = ({ status, goesTo, headers, text }: Visited): void => {
  expect(status).toBe(400);
  expect(goesTo).toBeNull();
  expect(headers.get('refresh')).toBeNull();
  expect(headers.get('set-cookie')).toBeNull();
  expect(text).not.toMatch(/<(form|a|script|iframe|meta http-equiv)\b/);
};

/** A refusal for what is registered. */
const leaksNothing = (visited: Visited): void => {
  const { origin, pathname } = new URL(visited.goesTo ?? '');
  expect(origin + pathname).toBe(REGISTERED);
  expect(visited.goesTo).not.toMatch(/[?&#]code=/);
};

describe('of the redirect URIs that are not registered', () => {
  test('there are at least 80', () => expect(new Set(FORGED).size).toBeGreaterThanOrEqual(80));

  test.each(FORGED.map((uri) => [JSON.stringify(uri), uri]))('%s leads nowhere', async (_, uri) => {
    const at = browser(tested.url);
    const before = await tested.ports.store.head();
    const forged = { ...request(), redirect_uri: uri };
    staysHere(await at.get(authorizeUrl(forged)));
    staysHere(await at.post('/oauth2/authorize', forged));
    // With an error that would otherwise be told to the client.
    staysHere(await at.get(authorizeUrl({ ...forged, response_type: 'token' })));
    staysHere(await at.get(authorizeUrl({ ...forged, prompt: 'none' })));
    staysHere(await at.get(authorizeUrl({ ...forged, request_uri: 'https://evil.example/request' })));
    expect((await tested.post('/oauth2/par', { ...auth, ...forged })).body['error']).toBe('invalid_request');
    // In a request object, with the registered one beside it, and the other way round.
    const object = async (redirect: string) =>
      signing.requestObject({ ...request(), client_id: signing.clientId, redirect_uri: redirect, login_hint: undefined });
    const outside = { ...request(), client_id: signing.clientId };
    staysHere(await at.get(authorizeUrl({ ...outside, request: await object(uri) })));
    staysHere(await at.get(authorizeUrl({ ...outside, request: 'not.a.jwt' })));
    expect((await facts(tested, before)).map(({ type }) => type)).toEqual([]);
    const inside = await at.get(authorizeUrl({ ...outside, redirect_uri: uri, request: await object(REGISTERED) }));
    expect([inside.status, inside.heading]).toEqual([200, 'Sign in']);
    expect(inside.text).not.toContain('evil');
  });
});

describe('a redirect URI', () => {
  const query = () => new URLSearchParams(request()).toString();

  test.each([
    ['twice, the registered one first', () => `${query()}&redirect_uri=https%3A%2F%2Fevil.example`],
    ['twice, the registered one last', () => `redirect_uri=https%3A%2F%2Fevil.example&${query()}`],
    ['twice the same', () => `${query()}&redirect_uri=${encodeURIComponent(REGISTERED)}`],
    ['as an array', () => query().replace('redirect_uri=', 'redirect_uri%5B%5D=')],
    ['in capitals', () => query().replace('redirect_uri=', 'REDIRECT_URI=')],
    ['with a broken escape', () => `${query().replace('redirect_uri=', 'redirect_uri=%')}`],
    ['not at all', () => query().replace(/redirect_uri=[^&]*&/, '')],
    ['empty', () => query().replace(/redirect_uri=[^&]*/, 'redirect_uri=')],
  ])('that is given %s leads nowhere', async (_, given) => {
    staysHere(await browser(tested.url).get(`/oauth2/authorize?${given()}`));
  });

  test('of another client leads nowhere', async () => {
    const other = await secretTpp(tested, { ...redirecting, redirect_uris: ['https://other.example/'] } as Parameters<typeof secretTpp>[1]);
    staysHere(await browser(tested.url).get(authorizeUrl({ ...request(), client_id: other.client_id })));
  });

  test('leads nowhere for an unknown client, a disabled one and none', async () => {
    const gone = await secretTpp(tested, { ...redirecting, redirect_uris: [REGISTERED] } as Parameters<typeof secretTpp>[1]);
    await tested.disable(gone.client_id);
    for (const client_id of ['nobody', gone.client_id, ''])
      staysHere(await browser(tested.url).get(authorizeUrl({ ...request(), client_id })));
  });

  test('that is registered is where a refusal goes, with nothing but what it must say', async () => {
    for (const change of [{ response_type: 'token' }, { scope: 'nothing' }, { prompt: 'none' }, { code_challenge: '' }]) {
      const visited = await browser(tested.url).get(authorizeUrl({ ...request(), ...change }));
      leaksNothing(visited);
      expect(visited.status).toBe(303);
      const names = [...new URL(visited.goesTo ?? '').searchParams.keys()].sort();
      expect(names).toEqual(['error', 'error_description', 'iss', 'state']);
    }
  });

  test('that is registered with a query keeps it', async () => {
    const visited = await browser(tested.url).get(authorizeUrl({ ...request(), redirect_uri: WITH_QUERY, response_type: 'token' }));
    expect(visited.goesTo).toMatch('https://tpp.example/with?tenant=1&error=unsupported_response_type&');
  });
});
