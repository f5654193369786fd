import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Host, startHttps, testIdentity } from '../adapters/outbound/hosts.ts';
import { good, registerTpp, type Tpp } from './support/tpp.ts';
import { type Answer, expectError, openWire, partsOf, type Wire } from './support/wire.ts';

/** One call of the notification endpoint. */
interface Notified {
  path: string;
  method: string;
  headers: IncomingHttpHeaders;
  text: string;
  tlsVersion: string | null;
}

let wire: Wire;
let host: Host;
let ping: Tpp;
const seen: Notified[] = [];
const waiting: (() => void)[] = [];
/** What an endpoint does with the call that it got; 204 where nothing is said. */
const conduct = new Map<string, (res: ServerResponse, call: Notified) => unknown>();

beforeAll(async () => {
  const identity = await testIdentity();
  host = await startHttps(identity, async (req, res) => {
    const text = (await req.setEncoding('utf8').toArray()).join('');
    const { url: path = '', method = '', headers } = req;
    const call = { path, method, headers, text, tlsVersion: (req.socket as TLSSocket).getProtocol() };
    await (conduct.get(path) ?? (() => res.writeHead(204).end()))(res, call);
    seen.push(call);
    for (const look of waiting.splice(0)) look();
  });
  wire = await openWire({}, { hosts: [`localhost:${host.port}`], ca: identity.ca });
  ping = await pingClient('/ping');
});
afterAll(async () => {
  await host?.close();
  await wire?.close();
});

const client = (mode: 'ping' | 'push', path: string, more = {}) =>
  registerTpp(wire, {
    backchannel_token_delivery_mode: mode,
    backchannel_client_notification_endpoint: `https://localhost:${host.port}${path}`,
    ...more,
  });
const pingClient = (path: string) => client('ping', path);

/** The calls of a path, as soon as there are so many. */
const calls = async (path: string, count = 1): Promise<Notified[]> => {
  while (seen.filter((call) => call.path === path).length < count) await new Promise<void>((resolve) => waiting.push(resolve));
  return seen.filter((call) => call.path === path);
};

const TOKEN = 'aB3-._~+/tokenOfTheClient==';
const asked = async (tpp: Tpp): Promise<string> => good(await tpp.asks({ client_notification_token: TOKEN })).body['auth_req_id'];
const leftHalf = (text: string) => createHash('sha256').update(text).digest().subarray(0, 16).toString('base64url');

describe('a ping', () => {
  test('R63 brings auth_req_id and nothing else, after approval and after refusal', async () => {
    for (const verdict of ['approved', 'denied'] as const) {
      const before = seen.filter(({ path }) => path === '/ping').length;
      const authReqId = await asked(ping);
      await wire.answer(authReqId, verdict);
      const call = (await calls('/ping', before + 1)).at(-1);
      expect(call).toMatchObject({ method: 'POST', tlsVersion: 'TLSv1.3', headers: { authorization: `Bearer ${TOKEN}` } });
      expect(call?.headers['content-type']).toMatch(/^application\/json(; ?charset=utf-8)?$/i);
      expect(JSON.parse(call?.text ?? '')).toEqual({ auth_req_id: authReqId });
    }
  });

  test('R64 finds what it announces at once', async () => {
    for (const verdict of ['approved', 'denied'] as const) {
      const path = `/at-once-${verdict}`;
      const tpp = await pingClient(path);
      let fetched: Answer | undefined;
      conduct.set(path, async (res, { text }) => {
        fetched = await tpp.poll(JSON.parse(text).auth_req_id);
        res.writeHead(204).end();
      });
      await wire.answer(await asked(tpp), verdict);
      await calls(path);
      if (verdict === 'approved') expect(fetched?.status).toBe(200);
      else expectError(fetched as Answer, [400, 'access_denied']);
    }
  });

  test('R65 changes nothing by its answer; after 4xx it does not come again, and it follows no redirect', async () => {
    const ANSWERS: [path: string, (res: ServerResponse) => unknown][] = [
      ['/says-200', (res) => res.writeHead(200, { 'content-type': 'application/json' }).end('{"thanks":true}')],
      ['/says-401', (res) => res.writeHead(401).end()],
      ['/says-403', (res) => res.writeHead(403).end()],
      ['/says-301', (res) => res.writeHead(301, { location: '/redirected' }).end()],
    ];
    const open: [Tpp, string][] = [];
    for (const [path, answer] of ANSWERS) {
      conduct.set(path, answer);
      const tpp = await pingClient(path);
      const authReqId = await asked(tpp);
      await wire.answer(authReqId, 'approved');
      await calls(path);
      open.push([tpp, authReqId]);
    }
    // One that comes again because of a 503 is the witness that those above would have come again too.
    let tries = 0;
    conduct.set('/says-503', (res) => {
      tries += 1;
      res.writeHead(tries === 1 ? 503 : 204).end();
    });
    const busy = await pingClient('/says-503');
    const last = await asked(busy);
    await wire.answer(last, 'approved');
    await calls('/says-503');
    await wire.later(60, () => calls('/says-503', 2));
    expect(ANSWERS.map(([path]) => seen.filter((call) => call.path === path).length)).toEqual([1, 1, 1, 1]);
    expect(seen.some(({ path }) => path === '/redirected')).toBe(false);
    for (const [tpp, authReqId] of [...open, [busy, last] as const]) expect((await tpp.poll(authReqId)).status).toBe(200);
  });

  test('R66 is not for poll clients', async () => {
    const poll = await registerTpp(wire);
    const authReqId = good(await poll.asks({ client_notification_token: 'token' })).body['auth_req_id'];
    await wire.answer(authReqId, 'approved');
    const before = seen.filter(({ path }) => path === '/ping').length;
    await wire.answer(await asked(ping), 'approved');
    await calls('/ping', before + 1);
    expect(seen.some(({ text }) => text.includes(authReqId))).toBe(false);
    expect((await poll.poll(authReqId)).status).toBe(200);
  });
});

describe('a push', () => {
  const pushed = async (verdict: 'approved' | 'denied') => {
    const path = `/push-${verdict}`;
    const tpp = await client('push', path, { profile: 'plain', tls_client_certificate_bound_access_tokens: false });
    const authReqId = await asked(tpp);
    await wire.answer(authReqId, verdict);
    const [call] = await calls(path);
    return { tpp, authReqId, call: call as Notified, body: JSON.parse(call?.text ?? '') };
  };

  test('R59 brings the tokens, with every hash in the ID token', async () => {
    const { tpp, authReqId, call, body } = await pushed('approved');
    expect(call.headers).toMatchObject({ authorization: `Bearer ${TOKEN}`, 'content-type': expect.stringMatching(/^application\/json/) });
    expect(body).toMatchObject({
      auth_req_id: authReqId,
      access_token: expect.any(String),
      token_type: 'Bearer',
      id_token: expect.any(String),
    });
    expect(partsOf(body.id_token).claims).toMatchObject({
      at_hash: leftHalf(body.access_token),
      'urn:openid:params:jwt:claim:rt_hash': leftHalf(body.refresh_token),
      'urn:openid:params:jwt:claim:auth_req_id': authReqId,
    });
    expectError(await tpp.poll(authReqId), [400, 'unauthorized_client']);
  });

  test('R52 or tells of the refusal', async () => {
    const { authReqId, body } = await pushed('denied');
    expect(body).toMatchObject({ auth_req_id: authReqId, error: 'access_denied' });
  });
});
