import { connect } from 'node:net';
import { expect } from '@jest/globals';
import type { TestEngine } from './engine.ts';
import { facts } from './log.ts';

type Headers = Record<string, string>;

/** POSTs a form, or a text as it stands, and gives the bare response. */
export const sendForm = (
  { url }: TestEngine,
  path: string,
  form: Record<string, string> | string,
  headers: Headers = {},
): Promise<Response> =>
  fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: typeof form === 'string' ? form : new URLSearchParams(form).toString(),
  });

/** Sends JSON: an object is written, a string is sent as it stands. */
export const sendJson = (
  { url }: TestEngine,
  method: string,
  path: string,
  body?: object | string,
  headers: Headers = {},
): Promise<Response> =>
  fetch(url + path, {
    method,
    headers: { ...(body !== undefined && { 'content-type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });

/** Writes bytes to the server and reads everything it answers until it closes the connection. */
export const overSocket = (url: string, bytes: string): Promise<string> =>
  new Promise((resolve) => {
    let answer = '';
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname, () => socket.write(bytes));
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      answer += chunk;
    });
    // A server that has said enough may reset what is still on its way.
    socket.on('error', () => undefined).on('close', () => resolve(answer));
  });

/** The one response in what was read from a socket. */
export const oneResponse = (answer: string): Response => {
  expect(answer.match(/^HTTP\/1\.1 /gm)).toHaveLength(1);
  const [head = '', body = ''] = answer.split(/\r\n\r\n(.*)/s);
  const [statusLine = '', ...lines] = head.split('\r\n');
  const headers = lines.map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]);
  return new Response(body, { status: Number(statusLine.split(' ')[1]), headers });
};

/** Printable ASCII without the quote and the backslash (RFC 6749, section 5.2). */
export const DESCRIPTION = /^[\x20\x21\x23-\x5b\x5d-\x7e]+$/;

/** What a call is refused with: all of status, headers and body that counts, and that it left no fact, unless that nobody could sign in. */
export const expectRefusal = async (
  tested: TestEngine,
  call: () => Promise<Response>,
  status: number,
  error: string,
  body: object = { error, error_description: expect.stringMatching(DESCRIPTION) },
): Promise<string> => {
  const before = await tested.ports.store.head();
  const response = await call();
  const text = await response.text();
  expect({
    status: response.status,
    contentType: response.headers.get('content-type'),
    cacheControl: response.headers.get('cache-control'),
    body: JSON.parse(text),
    newFacts: (await facts(tested, before)).map(({ type }) => type).filter((type) => type !== 'AuthenticationFailed'),
  }).toEqual({ status, contentType: 'application/json', cacheControl: 'no-store', body, newFacts: [] });
  return text;
};
