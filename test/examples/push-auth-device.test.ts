import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type ConnectProxy, startConnectProxy } from '../support/connect-proxy.ts';
import { type FcmServer, startFcmServer } from '../support/fcm-server.ts';
import { type Served, served, temporaryFolder } from '../support/served.ts';
import { examplesAgainst } from './example.ts';

let fcm: FcmServer;
let proxy: ConnectProxy;
let engine: Served;
beforeAll(async () => {
  fcm = await startFcmServer();
  proxy = await startConnectProxy({ 'fcm.googleapis.com:443': fcm.port, 'oauth2.googleapis.com:443': fcm.port });
  engine = await served({
    COUNTERSIGN_PUSH_FCM_SERVICE_ACCOUNT_FILE: fcm.serviceAccountFile,
    COUNTERSIGN_OUTBOUND_PROXY: proxy.url,
    COUNTERSIGN_OUTBOUND_CA_FILE: fcm.caFile,
  });
});
afterAll(async () => {
  await engine?.serving.close();
  await proxy?.close();
  await fcm?.close();
});

/** The next push, in a file as the example reads it. */
const pushed = (): Promise<string> =>
  new Promise((resolve) =>
    fcm.next((_res, serve) => {
      const file = join(temporaryFolder(), 'push.json');
      writeFileSync(file, JSON.stringify(fcm.messages.at(-1)?.message.data));
      serve();
      resolve(file);
    }),
  );

describe('the example of a phone of the reference', () => {
  test('registers, approves what one push asks, denies the next, and removes itself', async () => {
    const example = examplesAgainst(engine);
    const kept = { DEVICE_FILE: join(temporaryFolder(), 'device.json') };
    const phone = (...args: string[]) => example('device/push-auth-device.ts', args, kept).ended;
    const { username, password } = engine.serving.sandbox?.psus[0] ?? { username: '', password: '' };

    expect(await phone('register', username, password, 'a-push-id')).toMatch(/^registered [\w-]{36}$/m);
    const first = pushed();
    const approved = example('openid-client/ciba.ts');
    const printed = await phone('approve', await first);
    expect(printed).toContain('Permissions: ReadAccountsDetail, ReadBalances');
    expect(printed).toMatch(/^202$/m);
    expect(await approved.ended).toContain('the access token is active: true');

    const second = pushed();
    const denied = example('openid-client/ciba.ts');
    expect(await phone('deny', await second)).toMatch(/^202$/m);
    await expect(denied.ended).rejects.toThrow('access_denied');
    expect(await phone('remove')).toBe('removed\n');
  });
});
