import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { masterKey } from '../../src/adapters/keys/master-key.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { importDevices } from '../../src/cli/import-devices.ts';
import { loadConfig } from '../../src/config.ts';
import { freshEnvironment, temporaryFolder } from '../support/served.ts';
import { keyPair, phoneOf } from '../wso2/support/phone.ts';
import { startStage } from '../wso2/support/stage.ts';

const DEVICE = '8f4f2fbc-4b31-4f0c-9a0c-2d1c6f1d7a11';
const PUSH_ID = 'push-id-of-the-old-system';

/** A data folder into which one phone of Alice was imported. */
const importedInto = async (publicKey: string): Promise<string> => {
  const folder = temporaryFolder();
  const [directory, devices] = [join(folder, 'psus.json'), join(folder, 'devices.csv')];
  writeFileSync(directory, JSON.stringify({ psus: [{ psu_id: 'psu-alice', username: 'alice', password_hash: '', accounts: [] }] }));
  const header = 'ID,USER_ID,NAME,MODEL,PUSH_ID,PUBLIC_KEY,REGISTRATION_TIME';
  writeFileSync(devices, `${header}\n${DEVICE},alice,My phone,SM-A520,${PUSH_ID},${publicKey},2024-05-01 10:20:30\n`);
  const env = { ...(await freshEnvironment()), COUNTERSIGN_PSU_DIRECTORY_FILE: directory };
  const { config } = loadConfig({ env, cwd: folder });
  const said: string[] = [];
  await importDevices(config, devices, { skipBadRows: false, print: (line) => said.push(line), progress: null });
  expect(JSON.parse(said.at(-1) ?? '')).toEqual({ imported: 1, known: 0, refused: 0 });
  return config.dataDir;
};

test('a phone that was imported is pushed to, and approves and denies as it did before', async () => {
  const keys = keyPair(2048);
  const dataDir = await importedInto(keys.publicKey);
  const sealer = psuKeys(join(dataDir, 'keys/psu-keys.sqlite'), masterKey(join(dataDir, 'keys/master.key'), { create: false }));
  const stage = await startStage({}, { store: sqliteEventStore(join(dataDir, 'log.sqlite')), sealer });
  // Its camera has read this long ago, with the id that it has.
  const phone = phoneOf({ ...(await stage.discovery()), did: DEVICE }, PUSH_ID, keys);

  const approved = await stage.ask();
  const push = await stage.push(PUSH_ID);
  expect(phone.shows(push).accounts.map((account) => account.account_id)).toEqual(['psu-alice-1', 'psu-alice-2']);
  expect((await phone.approve(push, ['psu-alice-2'], { key: keyPair(2048).privateKey })).status).toBe(400);
  expect((await phone.approve(push, ['psu-alice-2'])).status).toBe(202);
  expect(await stage.poll(approved.authReqId)).toMatchObject({ status: 200, body: { access_token: expect.any(String) } });

  const denied = await stage.ask();
  expect((await phone.deny(await stage.push(PUSH_ID, 2))).status).toBe(202);
  expect(await stage.poll(denied.authReqId)).toMatchObject({ status: 400, body: { error: 'access_denied' } });

  const answers = (await stage.tested.log()).filter(({ type }) => /^CibaRequest(Approved|Denied)$/.test(type));
  expect(answers.map(({ type, actor }) => [type, actor.id])).toEqual([
    ['CibaRequestApproved', DEVICE],
    ['CibaRequestDenied', DEVICE],
  ]);
  await stage.close();
  sealer.close();
});
