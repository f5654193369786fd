import { createSecretKey } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from '@jest/globals';
import { systemIds } from '../../src/adapters/clock.ts';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { encrypt } from '../../src/adapters/keys/aes-gcm.ts';
import { newWrappedKey, unwrapped } from '../../src/adapters/keys/psu-key.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import { decode } from '../../src/domain/catalogue.ts';
import { makeDecide } from '../../src/domain/decide.ts';
import type { Sealer } from '../../src/domain/ports/sealer.ts';
import { keyNameIn, ONLY_KEY } from '../../src/domain/psu/retention.ts';
import { projectionsOver } from '../../src/projections/all.ts';
import { expiredKeys, type RetentionDays } from '../../src/projections/expired-data.ts';
import { destroyExpired } from '../../src/projections/reactions/expire-data.ts';
import { runProjections } from '../../src/projections/runner.ts';
import { eventNotificationSteps } from '../support/event-notification-steps.ts';
import { redirectSteps } from '../support/redirect-steps.ts';
import { temporaryFolder } from '../support/served.ts';
import { steps } from '../support/steps.ts';

const DAY = 86_400;
const DAYS: RetentionDays = { requestDays: 400, consentDays: 2557, deviceDays: 90, deliveryDays: 30 };
// 15 March 2026: the month has 17 days left.
const START = Date.UTC(2026, 2, 15) / 1000;
const MASTER = Buffer.alloc(32, 1);
const OLDER = ['bob', 'carol', 'consent older'];

/** The keys of those who had only one, and what seals with it as versions did that had no other. */
const onlyKeys = (file: string, sealer: Sealer): Sealer => {
  const master = createSecretKey(MASTER);
  const keys = new Map(OLDER.map((psuId) => [psuId, newWrappedKey(master, psuId, ONLY_KEY)]));
  const db = new DatabaseSync(file);
  for (const [psuId, wrapped] of keys) db.prepare('insert into sealing_key values (?, ?, ?)').run(psuId, ONLY_KEY, wrapped);
  db.close();
  return {
    ...sealer,
    seal({ psuId }, plaintext, context) {
      const { object, commits } = unwrapped(master, psuId, ONLY_KEY, keys.get(psuId) as string);
      const committed = Buffer.from(systemIds.hash(`${commits}\n${context}`), 'base64url');
      return Buffer.concat([committed, encrypt(object, Buffer.from(plaintext), context)]).toString('base64url');
    },
  };
};

/** A log with something of every class, on the first day. */
const everything = async () => {
  let at = START;
  const clock = () => at;
  const file = join(temporaryFolder(), 'psu-keys.sqlite');
  const [store, sealer, rows, ids] = [inMemoryEventStore(), psuKeys(file, MASTER), sqliteRows(':memory:'), systemIds];
  const ports = { store, sealer, clock, ids };
  const does = { ...steps(ports), ...redirectSteps(ports), ...eventNotificationSteps(ports) };
  const did = steps({ ...ports, sealer: onlyKeys(file, sealer) });

  const agrees = async ({ ask, offerEnrolment, registerDevice, ...by }: typeof did, psuId: string, consentId: string | null) => {
    const [requestId, phone] = [`request of ${psuId}`, `phone of ${psuId}`];
    await offerEnrolment(phone, psuId);
    await registerDevice(phone, 'push-token');
    await ask(requestId, { clientId: 'tpp', psuId, consentId, deliveryMode: 'push' });
    await by.show(requestId, phone);
    await by.answer(requestId, phone, 'approved');
    await by.persist(requestId);
  };
  await does.registerClient('tpp');
  await does.lodgeJoint('lodged', 'tpp', ['alice']);
  await does.uploadFile('lodged', 'a file');
  await agrees(does, 'alice', 'lodged');
  await does.redeem('request of alice');
  await does.openGrant('request of alice');
  await does.tell('news', 'tpp');
  await does.requestAuthorization('redirected', { clientId: 'tpp', consentId: null });
  await did.lodgeJoint('older', 'tpp', []);
  for (const psuId of ['bob', 'carol']) await agrees(did, psuId, null);

  const running = runProjections(store, rows, projectionsOver(sealer), await store.head());
  const latest = async () => running.reached(await store.head());
  const decide = makeDecide({ store, sealer, ids });
  const destroyed = new Set<string>();
  return {
    does,
    async on(day: number) {
      at = START + day * DAY;
      await latest();
    },
    over: () => [...expiredKeys(rows, at, DAYS)].flat().map(({ psuId, retention, period }) => `${psuId} ${retention}.${period}`),
    async destroy(keys: readonly string[]) {
      expect(await destroyExpired({ decide, rows, latest, sealer, clock, ids }, DAYS)).toBe(keys.length);
      for (const key of keys) destroyed.add(key);
    },
    /** What can be opened, and what is to be: of each text that was ever sealed. */
    async texts() {
      const sealed = (await store.readAll(0, 1_000_000)).flatMap((event) => decode(event).sealed ?? []);
      return sealed.map((one) => {
        const key = `${one.psuId} ${keyNameIn(one.text)}`;
        return { key, opens: sealer.open(one) !== null, isToOpen: !destroyed.has(key) };
      });
    },
    stop() {
      running.stop();
      sealer.close();
    },
  };
};

test('what is kept goes by its class, each on its day and nothing with it', async () => {
  const { does, on, over, destroy, texts, stop } = await everything();
  const ends: readonly (readonly [day: number, end: () => Promise<unknown>])[] = [
    [40, () => does.revokeConsent('lodged')],
    [60, () => does.revokeDevice('phone of alice', 'alice')],
    [70, () => does.revokeConsent('request of bob')],
    [75, () => does.revokeDevice('phone of carol', 'carol')],
    [80, () => does.revokeConsent('request of carol')],
    [3000, () => does.revokeConsent('older')],
    [3100, () => does.revokeDevice('phone of bob', 'bob')],
  ];
  const goes: readonly (readonly [day: number, keys: readonly string[]])[] = [
    // Tokens that were pushed, and what a client was told: by the month.
    [17 + 30, ['alice delivery.2026-03', 'eventNotification news delivery.2026-03']],
    [60 + 90, ['alice device.-']],
    // What a client asked for nobody in particular goes with the month, too.
    [17 + 400, ['alice request.2026-03', 'client tpp request.2026-03']],
    // What a TPP lodged goes with the consent.
    [40 + 2557, ['alice consent.-', 'consent lodged consent.-']],
    // The one key of former versions waits for the last of what it has sealed: a consent, or a phone.
    [80 + 2557, ['carol all.-']],
    [3100 + 90, ['bob all.-']],
    [3000 + 2557, ['consent older all.-']],
  ];
  const left = [...ends];
  const until = async (day: number) => {
    for (; left[0] !== undefined && left[0][0] <= day; left.shift()) {
      await on(left[0][0]);
      expect(over()).toEqual([]);
      await left[0][1]();
    }
    await on(day);
  };
  for (const [day, keys] of goes) {
    await until(day - 1);
    expect([day, over()]).toEqual([day, []]);
    await on(day);
    expect([day, over().sort()]).toEqual([day, [...keys]]);
    await destroy(keys);
    for (const { key, opens, isToOpen } of await texts()) expect([day, key, opens]).toEqual([day, key, isToOpen]);
  }
  expect(new Set((await texts()).map(({ key }) => key))).toEqual(new Set(goes.flatMap(([, keys]) => keys)));
  stop();
});
