import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { accountsIn, askForEnrolment, enrol } from '../../src/demo/phone.ts';
import { consentEvents } from '../../src/domain/consent/events.ts';
import type { EventStore } from '../../src/domain/ports/event-store.ts';
import type { Sealed } from '../../src/domain/ports/sealer.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';

/** A store that keeps the first authorisation of a consent waiting until it is released. */
const holdingStore = (): { store: EventStore; held: Promise<void>; release(): void } => {
  const store = inMemoryEventStore();
  const arrival = Promise.withResolvers<void>();
  const gate = Promise.withResolvers<void>();
  let first = true;
  return {
    held: arrival.promise,
    release: gate.resolve,
    store: {
      ...store,
      async append(stream, events, expectedRevision) {
        if (first && events.some(({ type }) => type === 'ConsentAuthorised')) {
          first = false;
          arrival.resolve();
          await gate.promise;
        }
        return store.append(stream, events, expectedRevision);
      },
    },
  };
};

const { store, held, release } = holdingStore();
let tested: TestEngine;
beforeAll(async () => {
  tested = await testEngine({ store });
});
afterAll(() => tested.close());

test('an answer that comes again is one answer, and one with other accounts is refused, though the first has not reached the consent', async () => {
  const auth = { client_id: await tested.client({}, 's3cret'), client_secret: 's3cret' };
  const phone = await enrol(fetch, await askForEnrolment(fetch, tested.url, { username: 'alice', password: 'alice' }));
  await tested.post('/oauth2/ciba', { ...auth, scope: 'openid accounts', login_hint: 'alice' });
  const [waiting] = await phone.requests();
  const shown = await phone.retrieve(String(waiting?.request_id));
  const [chosen, another] = accountsIn(shown) as [string, string];

  const answered = phone.send(shown.request_id, await phone.sign(shown, 'approved', [chosen]));
  await held;
  const others = phone.send(shown.request_id, await phone.sign(shown, 'approved', [another, 'an account of Bob']));
  await expect(others).rejects.toMatchObject({ status: 409, error: 'conflict' });
  expect(await phone.send(shown.request_id, await phone.sign(shown, 'approved', [chosen]))).toMatchObject({ status: 'approved' });
  release();
  await answered;

  const authorisations = (await tested.log()).filter(({ type }) => type === 'ConsentAuthorised').map(consentEvents.decode);
  const accounts = authorisations.map(({ sealed }) => consentEvents.open('ConsentAuthorised', sealed as Sealed, tested.ports.sealer));
  expect(accounts).toEqual([{ accountIds: [chosen], authorizationDetails: null }]);
});
