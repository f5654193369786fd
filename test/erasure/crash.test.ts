import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { of } from 'rxjs';
import { sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { temporarySigningKeys } from '../../src/adapters/keys/signing-keys.ts';
import { sqliteRows } from '../../src/adapters/rows/sqlite.ts';
import type { EventStore } from '../../src/domain/ports/event-store.ts';
import type { SealingKeys } from '../../src/domain/ports/sealer.ts';
import type { Ports } from '../../src/engine.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { temporaryFolder } from '../support/served.ts';
import { ask, lodge, secretTpp } from '../support/tpp.ts';
import { approve, destroyed, enrolled, eraserOf, until } from './support.ts';

const MASTER = Buffer.alloc(32, 1);
let engine: TestEngine | undefined;
afterEach(async () => {
  await engine?.close();
  engine = undefined;
});

const never = () => new Promise<never>(() => undefined);

/** What the engine dies in, before anything of it is kept. */
const DEATHS: Readonly<Record<string, (ports: { store: EventStore; sealer: SealingKeys }) => Partial<Ports>>> = {
  'behind the fact': () => ({ onDuty: of(false) }),
  'at the first thing that it ends': ({ store }) => ({ store: hangingAt(store, 'CibaRequestCancelled') }),
  'in the middle of what it ends': ({ store }) => ({ store: hangingAt(store, 'ConsentRevoked') }),
  'at the last thing that it ends': ({ store }) => ({ store: hangingAt(store, 'DeviceRevoked') }),
  'before the keys of the PSU': ({ sealer }) => ({ sealer: { ...sealer, erase: never } }),
  'before the keys of their consents': ({ sealer }) => ({ sealer: { ...sealer, destroy: never } }),
  'before it says so': ({ store }) => ({ store: hangingAt(store, 'PsuKeysDestroyed') }),
};

const hangingAt = (store: EventStore, type: string): EventStore => ({
  ...store,
  append: (stream, events, expected) => (events.some((event) => event.type === type) ? never() : store.append(stream, events, expected)),
});

describe('an engine that dies', () => {
  test.each(Object.entries(DEATHS))(
    '%s finishes the erasure when it starts again',
    async (_, dying) => {
      const dir = temporaryFolder();
      const signer = temporarySigningKeys();
      const files = () => ({
        store: sqliteEventStore(join(dir, 'log.sqlite')),
        sealer: psuKeys(join(dir, 'keys.sqlite'), MASTER),
        rows: sqliteRows(join(dir, 'rows.sqlite')),
      });
      const first = files();
      engine = await testEngine({ ...first, signer, ...dying(first) });
      const [auth, eraser] = [await secretTpp(engine), await eraserOf(engine)];
      const phone = await enrolled(engine);
      const intent = await lodge(engine, auth);
      await approve(phone, (await ask(engine, auth, { openbanking_intent_id: intent })).requestId);
      const waiting = await ask(engine, auth);
      expect((await eraser.erase('psu-alice')).status).toBe(202);
      await until(
        () =>
          (engine as TestEngine).engine.outboxes().some(({ reaction, due }) => reaction === 'erase-psus' && due > 0) ||
          _ === 'behind the fact',
      );
      await engine.close();
      first.sealer.close();
      first.rows.close();

      const second = files();
      engine = await testEngine({ ...second, signer });
      await destroyed(engine, 'psu-alice');
      const log = await engine.log();
      const typesOf = (stream: string) => log.filter((event) => event.stream === stream).map(({ type }) => type);
      expect(typesOf('psu-psu-alice')).toEqual(['PsuErased', 'PsuKeysDestroyed']);
      expect(typesOf(`consent-${intent}`).filter((type) => type === 'ConsentRevoked')).toHaveLength(1);
      expect(typesOf(`device-${phone.deviceId}`).filter((type) => type === 'DeviceRevoked')).toHaveLength(1);
      expect(typesOf(`cibaRequest-${waiting.requestId}`).at(-1)).toBe('CibaRequestCancelled');
      for (const event of log) {
        if (event.sealed === null || event.stream.startsWith('eventNotification-')) continue;
        const psuId = JSON.parse(event.data).psuId ?? event.stream.replace('-', ' ');
        const context = `${event.stream}\n${event.revision}\n${event.id}\n${event.type}\n${event.version}`;
        expect([event.type, second.sealer.open({ psuId, version: event.version, context, text: event.sealed })]).toEqual([
          event.type,
          null,
        ]);
      }
    },
    30_000,
  );
});
