import { readFile, writeFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { exportPKCS8, generateKeyPair } from 'jose';
import { fcmPushSender } from '../../../src/adapters/push/fcm.ts';
import { type ConnectProxy, startConnectProxy } from '../../support/connect-proxy.ts';
import { answers, type Behaviour, type FcmServer, fcmSays, gate, startFcmServer } from '../../support/fcm-server.ts';

const FCM = 'fcm.googleapis.com:443';
const TOKENS = 'oauth2.googleapis.com:443';
const PUSH_TOKEN = `canary-device:APA91b${'x'.repeat(140)}`;
const wakeUp = { pushToken: PUSH_TOKEN, requestId: '4a1b5f2e-30c4-4f0c-9d3a-6f1f0c5d7e88', ttlSeconds: 120 };
const timedOut = { outcome: 'retry', reason: 'app/network-timeout', afterSeconds: null };

let fcm: FcmServer;
let proxy: ConnectProxy;
let push: Awaited<ReturnType<typeof fcmPushSender>>;
const settings = () => ({ serviceAccountFile: fcm.serviceAccountFile, proxy: proxy.url, caFile: fcm.caFile });
const wakeTimes = (count: number) => Promise.all(Array.from({ length: count }, () => push.wake(wakeUp)));

const opened: { close(): Promise<void> }[] = [];
const open = async <T extends { close(): Promise<void> }>(opening: Promise<T>): Promise<T> => {
  const it = await opening;
  opened.push(it);
  return it;
};

beforeEach(async () => {
  fcm = await open(startFcmServer());
  proxy = await open(startConnectProxy({ [FCM]: fcm.port, [TOKENS]: fcm.port }));
  push = await open(fcmPushSender(settings()));
});
afterEach(async () => {
  for (const it of opened.splice(0).reverse()) await it.close();
});

describe('the message', () => {
  test('holds an opaque id, neutral words, and a life that ends with the request', async () => {
    const before = Math.floor(Date.now() / 1000);
    expect(await push.wake(wakeUp)).toEqual({ outcome: 'accepted', messageId: 'projects/countersign-test/messages/1' });
    const after = Math.floor(Date.now() / 1000);
    const [sent] = fcm.messages;
    expect(fcm.messages).toHaveLength(1);
    expect(sent?.path).toBe('/v1/projects/countersign-test/messages:send');
    expect(sent?.headers['content-type']).toBe('application/json;charset=utf-8');
    expect(sent?.message).toEqual({
      token: PUSH_TOKEN,
      data: { request_id: wakeUp.requestId },
      android: {
        priority: 'high',
        ttl: expect.stringMatching(/^(119|120)s$/),
        collapse_key: 'approval',
        notification: { title_loc_key: 'approval_title', body_loc_key: 'approval_body' },
      },
      apns: {
        headers: {
          'apns-push-type': 'alert',
          'apns-priority': '10',
          'apns-expiration': expect.stringMatching(/^\d{10}$/),
          'apns-collapse-id': 'approval',
        },
        payload: {
          aps: {
            alert: {
              title: 'Approval requested',
              body: 'An app asks for your approval',
              'title-loc-key': 'approval_title',
              'loc-key': 'approval_body',
            },
            sound: 'default',
          },
        },
      },
      webpush: {
        headers: { TTL: expect.stringMatching(/^(119|120)$/), Urgency: 'high' },
        notification: { title: 'Approval requested', body: 'An app asks for your approval' },
      },
    });
    const expiration = Number(sent?.message.apns?.headers?.['apns-expiration']);
    expect(expiration).toBeGreaterThanOrEqual(before + 120);
    expect(expiration).toBeLessThanOrEqual(after + 120);
  });

  test('stays small', async () => {
    await push.wake(wakeUp);
    const [sent] = fcm.messages;
    expect(JSON.stringify(sent?.message.data).length).toBeLessThanOrEqual(300);
    expect(Buffer.byteLength(sent?.text ?? '')).toBeLessThanOrEqual(1024);
    expect(sent?.text.split('canary')).toHaveLength(2); // in message.token, and nowhere else
  });
});

describe('an outcome', () => {
  const cases: [string, () => Behaviour, object][] = [
    ['UNREGISTERED', fcmSays.unregistered, { outcome: 'dead', reason: 'messaging/registration-token-not-registered' }],
    ['a 404 of another cause', fcmSays.noSuchProject, { outcome: 'refused', reason: 'messaging/registration-token-not-registered' }],
    ['a page from a proxy', () => answers(404, '<html>blocked</html>'), { outcome: 'refused', reason: 'messaging/unknown-error' }],
    ['INVALID_ARGUMENT', fcmSays.invalidArgument, { outcome: 'refused', reason: 'messaging/invalid-argument' }],
    ['SENDER_ID_MISMATCH', fcmSays.senderIdMismatch, { outcome: 'refused', reason: 'messaging/mismatched-credential' }],
    ['THIRD_PARTY_AUTH_ERROR', fcmSays.thirdPartyAuthError, { outcome: 'refused', reason: 'messaging/third-party-auth-error' }],
    ['QUOTA_EXCEEDED', fcmSays.quotaExceeded, { outcome: 'retry', reason: 'messaging/message-rate-exceeded', afterSeconds: null }],
    [
      'QUOTA_EXCEEDED with a delay',
      () => fcmSays.quotaExceeded({ 'retry-after': '60' }),
      { outcome: 'retry', reason: 'messaging/message-rate-exceeded', afterSeconds: 60 },
    ],
    ['INTERNAL', fcmSays.internal, { outcome: 'retry', reason: 'messaging/internal-error', afterSeconds: null }],
    ['UNAVAILABLE', fcmSays.unavailable, { outcome: 'retry', reason: 'messaging/server-unavailable', afterSeconds: null }],
    [
      'UNAVAILABLE with a delay',
      () => fcmSays.unavailable({ 'retry-after': '1' }),
      { outcome: 'retry', reason: 'messaging/server-unavailable', afterSeconds: 1 },
    ],
    [
      'UNAVAILABLE until a date',
      () => fcmSays.unavailable({ 'retry-after': 'Wed, 21 Oct 2015 07:28:00 GMT' }),
      { outcome: 'retry', reason: 'messaging/server-unavailable', afterSeconds: 0 },
    ],
    ['a bad gateway', () => answers(502, '<html></html>'), { outcome: 'retry', reason: 'messaging/unknown-error', afterSeconds: null }],
    ['a connection cut', fcmSays.connectionCut, { outcome: 'retry', reason: 'app/network-error', afterSeconds: null }],
  ];

  test.each(cases)('of %s is told after one attempt', async (_name, behaviour, outcome) => {
    fcm.next(behaviour());
    expect(await push.wake(wakeUp)).toEqual(outcome);
    expect(fcm.messages).toHaveLength(1);
    expect(fcm.assertions).toHaveLength(1);
  });

  test('does not keep the next one from being sent', async () => {
    fcm.next(fcmSays.connectionCut(), fcmSays.unavailable());
    const outcomes = [await push.wake(wakeUp), await push.wake(wakeUp), await push.wake(wakeUp)];
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['retry', 'retry', 'accepted']);
  });

  test('of a malformed push token is told without a message', async () => {
    expect(await push.wake({ ...wakeUp, pushToken: '' })).toEqual({ outcome: 'refused', reason: 'messaging/invalid-payload' });
    expect(fcm.messages).toHaveLength(0);
  });
});

describe('time', () => {
  test.each([
    ['no answer', fcmSays.nothing],
    ['an answer that breaks off', fcmSays.answerCut],
  ])('ends an attempt that gets %s', async (_name, behaviour) => {
    fcm.next(behaviour());
    expect(await push.wake({ ...wakeUp, ttlSeconds: 1 })).toEqual(timedOut);
    expect(fcm.messages).toHaveLength(1);
  });

  test('ends the wait for an access token, and the message is not sent late', async () => {
    const { hold, held, release } = gate();
    fcm.nextToken(hold);
    const [, outcome] = await Promise.all([held(1), push.wake({ ...wakeUp, ttlSeconds: 1 })]);
    expect(outcome).toEqual(timedOut);
    release();
    expect(await push.wake(wakeUp)).toMatchObject({ outcome: 'accepted' });
    expect(fcm.messages).toHaveLength(1);
  });

  test('lets no message out for a request that has expired', async () => {
    expect(await push.wake({ ...wakeUp, ttlSeconds: 0 })).toEqual(timedOut);
    expect(fcm.messages).toHaveLength(0);
  });

  test('is not lost to a slow answer', async () => {
    const { hold, held, release } = gate();
    fcm.next(hold);
    const outcome = push.wake(wakeUp);
    await held(1);
    release();
    expect(await outcome).toMatchObject({ outcome: 'accepted' });
  });
});

describe('many at once', () => {
  test('are 64 at most', async () => {
    const { hold, held, release } = gate();
    fcm.next(...Array.from({ length: 64 }, () => hold));
    const outcomes = wakeTimes(80);
    await held(64);
    // A tunnel is asked for long before its message arrives: a 65th attempt would have one by now.
    expect(proxy.asked.filter(({ authority }) => authority === FCM)).toHaveLength(64);
    release();
    expect((await outcomes).filter(({ outcome }) => outcome === 'accepted')).toHaveLength(80);
    expect(fcm.messages).toHaveLength(80);
    expect(fcm.load.peak).toBe(64);
  });

  test('share one access token and keep their connections', async () => {
    await wakeTimes(10);
    await wakeTimes(10);
    expect(fcm.assertions).toHaveLength(1);
    expect(proxy.asked.length).toBeLessThanOrEqual(1 + 10);
  });

  test('share one renewal when their access token is refused', async () => {
    await push.wake(wakeUp);
    fcm.revokeTokens();
    expect((await wakeTimes(10)).filter(({ outcome }) => outcome === 'accepted')).toHaveLength(10);
    expect(fcm.assertions).toHaveLength(2);
  });

  test('end when the sender is closed', async () => {
    const { hold, held } = gate();
    fcm.next(hold, hold);
    const closing = await fcmPushSender(settings());
    const outcomes = Promise.all([closing.wake(wakeUp), closing.wake(wakeUp)]);
    await held(2);
    await closing.close();
    expect(await outcomes).toEqual(Array(2).fill({ outcome: 'retry', reason: 'app/network-error', afterSeconds: null }));
    expect(await closing.wake(wakeUp)).toEqual({ outcome: 'retry', reason: 'app/app-deleted', afterSeconds: null });
  });
});

describe('an access token', () => {
  test('is asked for with an assertion of one hour', async () => {
    await push.wake(wakeUp);
    expect(fcm.assertions).toEqual([
      {
        iss: 'push@countersign-test.iam.gserviceaccount.com',
        aud: 'https://oauth2.googleapis.com/token',
        scope: 'https://www.googleapis.com/auth/firebase.messaging',
        iat: expect.any(Number),
        exp: (fcm.assertions[0]?.iat ?? 0) + 3600,
      },
    ]);
  });

  test('is asked for again a minute before it expires', async () => {
    fcm.tokensLive(60);
    await push.wake(wakeUp);
    await push.wake(wakeUp);
    expect(fcm.assertions).toHaveLength(2);
    expect(fcm.messages.map(({ headers }) => headers.authorization)).toEqual(['Bearer ya29.test-1', 'Bearer ya29.test-2']);
  });

  test('that is refused again and again is asked for once more and no further', async () => {
    fcm.next(fcmSays.accessTokenRefused(), fcmSays.accessTokenRefused());
    expect(await push.wake(wakeUp)).toEqual({ outcome: 'refused', reason: 'messaging/third-party-auth-error' });
    expect(fcm.messages).toHaveLength(2);
    expect(fcm.assertions).toHaveLength(2);
  });

  test.each([
    ['503', () => answers(503, '<html></html>', { 'retry-after': '3' }), { outcome: 'retry', reason: 'oauth2/http-503', afterSeconds: 3 }],
    ['429', () => answers(429, { error: 'slow_down' }), { outcome: 'retry', reason: 'oauth2/slow_down', afterSeconds: null }],
    ['invalid_grant', () => answers(400, { error: 'invalid_grant' }), { outcome: 'refused', reason: 'oauth2/invalid_grant' }],
    ['canary text', () => answers(403, { error: 'The canary <b>' }), { outcome: 'refused', reason: 'oauth2/http-403' }],
    ['something else', () => answers(200, { token: 'canary' }), { outcome: 'refused', reason: 'oauth2/http-200' }],
    ['a connection cut', fcmSays.connectionCut, { outcome: 'retry', reason: 'oauth2/network-error', afterSeconds: null }],
  ])('that is answered with %s stops the push, and the next push asks again', async (_name, behaviour, outcome) => {
    fcm.nextToken(behaviour());
    expect(await push.wake(wakeUp)).toEqual(outcome);
    expect(fcm.messages).toHaveLength(0);
    expect(await push.wake(wakeUp)).toMatchObject({ outcome: 'accepted' });
  });

  test('is not given to another key', async () => {
    await rewriteServiceAccount({ private_key: await exportPKCS8((await generateKeyPair('RS256', { extractable: true })).privateKey) });
    const other = await open(fcmPushSender(settings()));
    expect(await other.wake(wakeUp)).toEqual({ outcome: 'refused', reason: 'oauth2/invalid_grant' });
  });
});

describe('the way to Google', () => {
  test('leads through the proxy, for the token and for the message', async () => {
    await push.wake(wakeUp);
    await push.wake(wakeUp);
    expect(proxy.asked).toEqual([
      { authority: TOKENS, authorization: null },
      { authority: FCM, authorization: null },
    ]);
  });

  test('names the user to the proxy', async () => {
    const other = await open(fcmPushSender({ ...settings(), proxy: proxy.url.replace('//', '//bank:s%40cret@') }));
    expect(await other.wake(wakeUp)).toMatchObject({ outcome: 'accepted' });
    const authorization = `Basic ${Buffer.from('bank:s@cret').toString('base64')}`;
    expect(proxy.asked).toEqual([
      { authority: TOKENS, authorization },
      { authority: FCM, authorization },
    ]);
  });

  test('may be closed by the proxy for a while', async () => {
    const strict = await open(startConnectProxy({ [TOKENS]: fcm.port }));
    const other = await open(fcmPushSender({ ...settings(), proxy: strict.url }));
    expect(await other.wake(wakeUp)).toEqual({ outcome: 'retry', reason: 'app/network-error', afterSeconds: null });
  });

  test('is not taken to a server that no trusted root vouches for', async () => {
    const other = await open(fcmPushSender({ ...settings(), caFile: null }));
    expect(await other.wake(wakeUp)).toEqual({ outcome: 'retry', reason: 'oauth2/network-error', afterSeconds: null });
  });
});

describe('the settings', () => {
  const refusal = async (): Promise<string> => {
    const error = await fcmPushSender(settings()).catch((error) => error);
    expect(error).toBeInstanceOf(Error);
    return inspect(error, { depth: null });
  };

  test('are refused with the names of the fields that are missing', async () => {
    await rewriteServiceAccount({ project_id: undefined, token_uri: 'http://oauth2.googleapis.com/token' });
    expect(await refusal()).toContain(`service account file ${fcm.serviceAccountFile}: missing or malformed: project_id, token_uri`);
  });

  test('are refused when the file is of another kind', async () => {
    await writeFile(fcm.serviceAccountFile, '[]');
    expect(await refusal()).toContain('missing or malformed: the whole file');
  });

  test.each([
    ['a key file that is cut off', (content: string) => content.slice(0, -10), 'not JSON'],
    ['a bare key', (content: string) => JSON.parse(content).private_key, 'not JSON'],
    ['a key that is damaged', (content: string) => content.replace('MII', 'MIX'), 'private_key is not an RSA key in PKCS #8'],
    ['a key without its frame', (content: string) => content.replace(/-----[A-Z ]+-----/g, ''), 'private_key is not an RSA key in PKCS #8'],
  ])('are refused with %s, and the key is not shown', async (_name, damage, message) => {
    const content = await readFile(fcm.serviceAccountFile, 'utf8');
    await writeFile(fcm.serviceAccountFile, damage(content));
    const shown = await refusal();
    expect(shown).toContain(`service account file ${fcm.serviceAccountFile}: ${message}`);
    expect(shown).not.toMatch(/MII|MIX|PRIVATE KEY/);
  });

  test('are refused with a proxy that Node would pass over', async () => {
    await expect(fcmPushSender({ ...settings(), proxy: 'socks5://bank:secret@127.0.0.1:1080' })).rejects.toThrow(
      'the proxy of the push channel must be an http:// or https:// URL',
    );
  });
});

const rewriteServiceAccount = async (change: object): Promise<void> => {
  const account = JSON.parse(await readFile(fcm.serviceAccountFile, 'utf8'));
  await writeFile(fcm.serviceAccountFile, JSON.stringify({ ...account, ...change }));
};
