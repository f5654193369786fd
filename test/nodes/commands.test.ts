import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { recordOfPsuKey } from '../../src/adapters/shared/psu-keys.ts';
import { disableClient, registerClient } from '../../src/cli/client.ts';
import { explain } from '../../src/cli/explain.ts';
import { history } from '../../src/cli/history.ts';
import { importDevices } from '../../src/cli/import-devices.ts';
import { listKeys, rotateKeys } from '../../src/cli/keys.ts';
import { erasePsu } from '../../src/cli/psu.ts';
import { type Config, loadConfig } from '../../src/config.ts';
import type { StoredEvent } from '../../src/domain/ports/event-store.ts';
import { openCluster } from '../../src/serve/store.ts';
import { answer, ask, type Form, type Nodes, nodesOver, pollOf, type ServedNode, until } from '../support/nodes.ts';
import { temporaryFolder } from '../support/served.ts';

let nodes: Nodes;
let node: ServedNode;
let config: Config;
beforeAll(async () => {
  nodes = await nodesOver({}, { nodes: 3 });
  node = await nodes.serve();
  ({ config } = loadConfig({ env: await nodes.environment(), cwd: tmpdir() }));
});
afterAll(async () => {
  await nodes.close();
  expect(node.faults).toEqual([]);
});

/** What a command prints. */
const printed = async (command: (print: (line: string) => void) => Promise<void>): Promise<string[]> => {
  const lines: string[] = [];
  await command((line) => lines.push(line));
  return lines;
};
const fileWith = (name: string, text: string): string => {
  const file = join(temporaryFolder(), name);
  writeFileSync(file, text);
  return file;
};

describe('while a node serves, a command', () => {
  let tpp: Form;

  test('registers a client, which it knows at once', async () => {
    const metadata = {
      ...{ client_name: 'A TPP', profile: 'plain', token_endpoint_auth_method: 'client_secret_post' },
      tls_client_certificate_bound_access_tokens: false,
    };
    const file = fileWith('client.json', JSON.stringify(metadata));
    const lines = await printed((print) => registerClient(config, file, print));
    const [client_id = '', client_secret = ''] = lines.map((line) => line.split(' ')[1]);
    tpp = { client_id, client_secret };
    await ask(node, tpp);
  });

  test('prints the facts of a consent, and explains a request', async () => {
    const phone = await nodes.phone(node.fetch);
    const { authReqId, requestId } = await ask(node, tpp);
    await answer(phone, requestId);
    const { status, body } = await node.post('/oauth2/token', pollOf(tpp, authReqId));
    expect(status).toBe(200);
    const lines = await printed((print) => history(config, requestId, true, print));
    const types = lines.map((line) => JSON.parse(line).type);
    for (const type of ['CibaRequestReceived', 'ConsentAuthorised', 'GrantOpened']) expect(types).toContain(type);
    // Also of who knows only what the client has.
    const explained = (await printed((print) => explain(config, authReqId, print))).join('\n');
    for (const type of ['CibaRequestApproved', 'ConsentAuthorised', 'AccessTokenIssued']) expect(explained).toContain(`  ${type}  `);
    expect(explained).toContain(`request ${requestId} of ${tpp['client_id']}`);
    for (const secret of [authReqId, body.access_token]) expect(explained).not.toContain(secret);
  });

  test('changes the signing keys, and the node signs with the new ones', async () => {
    const kids = async () => (await printed((print) => listKeys(config, print))).join('\n');
    const before = await kids();
    const lines = await printed((print) => rotateKeys(config, { now: true, stolen: false }, print));
    expect(lines).toEqual([
      expect.stringMatching(/^ES256: [\w-]{43} signs from now on$/),
      expect.stringMatching(/^PS256: [\w-]{43} signs/),
    ]);
    expect(await kids()).not.toBe(before);
    const wanted = lines.map((line) => line.split(' ')[1]);
    await until(async () => {
      const { body } = await node.post('/oauth2/token', { ...tpp, grant_type: 'client_credentials', scope: 'accounts' });
      return wanted.includes(JSON.parse(Buffer.from(body.access_token.split('.')[0], 'base64url').toString()).kid);
    });
  });

  test('takes over devices, whose keys and secrets the node has', async () => {
    const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
    const header = 'ID,USER_ID,NAME,MODEL,PUSH_ID,PUBLIC_KEY,REGISTRATION_TIME,LAST_USED_TIME';
    const row = `device-1,alice,A phone,Pixel 9,a push id,${key},2024-05-01 10:20:30,2024-06-01 00:00:00`;
    const file = fileWith('devices.csv', `${header}\n${row}`);
    const imported = () => printed((print) => importDevices(config, file, { skipBadRows: false, print, progress: null }));
    expect(JSON.parse((await imported()).at(-1) as string)).toEqual({ imported: 1, known: 0, refused: 0 });
    expect(JSON.parse((await imported()).at(-1) as string)).toEqual({ imported: 0, known: 1, refused: 0 });
    const phone = await nodes.phone(node.fetch);
    expect((await phone.devices()).map(({ name }) => name)).toContain('A phone');
  });

  test('ends a client', async () => {
    await printed((print) => disableClient(config, tpp['client_id'] as string, print));
    await until(async () => (await node.post('/oauth2/ciba', tpp)).body.error === 'invalid_client');
  });

  test('erases a PSU whose keys there are, once and for ever, and the node on duty destroys them', async () => {
    const erase = (psuId: string) => printed((print) => erasePsu(config, psuId, 'case 4711', print));
    const factsOf = async (psuId: string) => (await nodes.store.read(`psu-${psuId}`)).map(({ type }) => type);
    const { data } = (await nodes.log()).findLast(({ type }) => type === 'CibaRequestReceived') as StoredEvent;
    const { psuId } = JSON.parse(data) as { psuId: string };
    for (const mistyped of [`${psuId}x`, psuId.slice(0, -1)]) {
      await expect(erase(mistyped)).rejects.toThrow(`no key was ever made for a PSU ${mistyped}`);
      expect(await factsOf(mistyped)).toEqual([]);
    }
    expect(await erase(psuId)).toEqual([`${psuId} is erased; the node on duty destroys the keys, or the next one that starts`]);
    await until(async () => (await factsOf(psuId)).includes('PsuKeysDestroyed'));
    const { records, close } = await openCluster(config);
    expect(await records.read(recordOfPsuKey(psuId))).toBeNull();
    await close();
    await erase(psuId);
    expect((await factsOf(psuId)).filter((type) => type === 'PsuErased')).toHaveLength(1);
  });
});
