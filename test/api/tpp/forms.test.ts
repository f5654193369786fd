import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { expectRefusal, oneResponse, overSocket, sendForm } from '../../support/http.ts';
import { secretTpp } from '../../support/tpp.ts';

const LIMIT = 65_536;
const ENDPOINTS = ['/oauth2/token', '/oauth2/ciba', '/oauth2/introspect', '/oauth2/revoke'];
const FORM = 'application/x-www-form-urlencoded';

let tested: TestEngine;
let good: string;
beforeAll(async () => {
  tested = await testEngine();
  const parameters = { grant_type: 'client_credentials', scope: 'openid accounts', login_hint: 'alice', token: 'x' };
  good = new URLSearchParams({ ...(await secretTpp(tested)), ...parameters }).toString();
});
afterAll(() => tested.close());

const more = (count: number) => Array.from({ length: count }, (_, index) => `&p${index}=1`).join('');

describe.each(ENDPOINTS)('POST %s', (path) => {
  const refuses = (body: string, headers: Record<string, string> = {}) =>
    expectRefusal(tested, () => sendForm(tested, path, body, headers), 400, 'invalid_request');

  test.each<[string, () => string]>([
    ['as it should be', () => good],
    ['with unknown parameters', () => `${good}&foo=bar&scope%20=x`],
    ['with empty pairs', () => `&&${good}&&`],
    [
      'with __proto__ and constructor as parameters',
      () => `${good}&__proto__=1&constructor=2&__proto__[polluted]=3&constructor.prototype.polluted=4`,
    ],
    ['with as many parameters as are allowed', () => good + more(64 - good.split('&').length)],
  ])('takes a form %s', async (_name, body) => {
    const response = await sendForm(tested, path, body());
    expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'no-store']);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  test.each<[string, () => string]>([
    ['a repeated parameter', () => `${good}&token=y`],
    ['a repeated client_id', () => `${good}&client_id=x`],
    ['a parameter repeated under an escaped name', () => `${good}&%74oken=y`],
    ['a parameter repeated with the same value', () => `${good}&scope=openid+accounts`],
    ['a parameter repeated without a value', () => `${good}&token=`],
    ['an empty parameter repeated', () => `${good}&foo=&foo`],
    ['a repeated __proto__', () => `${good}&__proto__=1&__proto__=2`],
    ['a cut escape', () => `${good}&foo=%4`],
    ['an escape of no digits', () => `${good}&foo=%zz`],
    ['an escape of no UTF-8', () => `${good}&foo=%ff`],
    ['an escaped surrogate', () => `${good}&foo=%ed%a0%80`],
    ['a malformed name', () => `${good}&%=1`],
    ['too many parameters', () => good + more(65 - good.split('&').length)],
    ['very many parameters', () => good + more(5000)],
  ])('refuses %s', (_name, body) => refuses(body()));

  test.each<[string, string, () => string]>([
    ['JSON', 'application/json', () => JSON.stringify(Object.fromEntries(new URLSearchParams(good)))],
    ['JSON that says it is a form', FORM, () => '{"token":"%"}'],
    ['a form that says it is text', 'text/plain', () => good],
    ['a form that says it is multipart', 'multipart/form-data; boundary=x', () => good],
    ['a form that says nothing', '', () => good],
    ['a form of a longer type', `${FORM}ed`, () => good],
  ])('refuses %s', (_name, type, body) => refuses(body(), { 'content-type': type }));

  test('takes a form that names its charset', async () => {
    expect((await sendForm(tested, path, good, { 'content-type': 'Application/X-WWW-Form-Urlencoded ; charset=UTF-8' })).status).toBe(200);
  });

  test('refuses an empty body', () => expectRefusal(tested, () => sendForm(tested, path, ''), 401, 'invalid_client'));

  test('refuses parameters in the query', async () => {
    await expectRefusal(tested, () => sendForm(tested, `${path}?${good}`, ''), 400, 'invalid_request');
    await expectRefusal(tested, () => sendForm(tested, `${path}?foo=bar`, good), 400, 'invalid_request');
  });

  test.each(['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])('refuses %s', async (method) => {
    let allow: string | null = null;
    const call = async () => {
      const response = await fetch(`${tested.url}${path}?${good}`, { method });
      allow = response.headers.get('allow');
      return response;
    };
    await expectRefusal(tested, call, 405, 'invalid_request');
    expect(allow).toBe('POST');
  });

  const head = (...lines: string[]) => [`POST ${path} HTTP/1.1`, 'Host: localhost', `Content-Type: ${FORM}`, ...lines, '', ''].join('\r\n');
  const tooMuch = () => `${good}&foo=`.padEnd(LIMIT + 1, 'x');
  const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
  test.each<[string, () => string]>([
    ['with its length', () => head(`Content-Length: ${LIMIT + 1}`) + tooMuch()],
    ['before the whole of it came', () => head('Content-Length: 10000000') + tooMuch()],
    ['in one chunk', () => head('Transfer-Encoding: chunked') + chunk(tooMuch())],
    ['in many chunks', () => head('Transfer-Encoding: chunked') + (tooMuch().match(/.{1,1000}/gs) ?? []).map(chunk).join('')],
    ['and does not answer what follows it', () => head(`Content-Length: ${LIMIT + 1}`) + tooMuch() + head('Content-Length: 0')],
  ])('refuses a body that is too large, %s, and closes the connection', async (_name, bytes) => {
    let connection: string | null = null;
    const call = async () => {
      const response = oneResponse(await overSocket(tested.url, bytes()));
      connection = response.headers.get('connection');
      return response;
    };
    await expectRefusal(tested, call, 413, 'invalid_request');
    expect(connection).toBe('close');
  });

  test('takes a body of the largest size', async () => {
    expect((await sendForm(tested, path, `${good}&foo=`.padEnd(LIMIT, 'x'))).status).toBe(200);
  });

  test('does not take it for its own fault when the caller hangs up', async () => {
    await new Promise<void>((resolve) => {
      const { hostname, port } = new URL(tested.url);
      const socket = connect(Number(port), hostname, () => socket.write(head('Content-Length: 1000') + good, () => socket.destroy()));
      socket.on('close', () => resolve());
    });
    expect((await sendForm(tested, path, good)).status).toBe(200);
    expect(tested.faults).toEqual([]);
  });
});

test.each(['/', '/oauth2/token/', '/oauth2/tokens', '/OAUTH2/TOKEN', '/oauth2/%74oken', '/..%2foauth2/token'])(
  'nothing is at %s',
  async (path) => {
    await expectRefusal(tested, () => sendForm(tested, path, good), 404, 'not_found');
    await expectRefusal(tested, () => fetch(tested.url + path), 404, 'not_found');
  },
);
