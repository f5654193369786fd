import { expect, test } from '@jest/globals';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { type EventStore, StoreStopped } from '../../src/domain/ports/event-store.ts';
import { answerIn, browser, decide, fieldsOf, signIn } from '../support/browser.ts';
import { standingClock } from '../support/clock.ts';
import { testEngine } from '../support/engine.ts';
import { recorded } from '../support/log.ts';
import { authorizeUrl, redirectTpp } from '../support/redirecting.ts';

/** A store that loses the next append to a stream whose name begins so: to its caller the process has died. */
const losing = (store: EventStore) => {
  let lost: string | null = null;
  return {
    store: {
      ...store,
      append: async (...given) => {
        if (lost === null || !given[0].startsWith(lost)) return store.append(...given);
        lost = null;
        throw new StoreStopped('the process died');
      },
    } satisfies EventStore as EventStore,
    lose: (prefix: string) => {
      lost = prefix;
    },
  };
};

test('an approval whose call died becomes the consent’s by itself, and posted again it gets its code', async () => {
  const time = standingClock();
  const { store, lose } = losing(inMemoryEventStore());
  const tested = await testEngine({ store, clock: time.clock });
  const tpp = await redirectTpp(tested);
  const at = browser(tested.url);
  const page = await signIn(at, await at.get(authorizeUrl(tpp.request)), 'alice');
  lose('consent-');
  const died = await decide(at, page, 'approved');
  expect([died.status, died.goesTo]).toEqual([503, null]);
  time.pass(3);
  const requestId = fieldsOf(page)['interaction_id'] ?? '';
  expect(await recorded(tested, 'ConsentAuthorised', `consent-${requestId}`)).toMatchObject({ actor: { kind: 'psu', id: 'psu-alice' } });
  const { code = '' } = answerIn((await decide(at, page, 'approved')).goesTo);
  expect((await tpp.redeem(code)).status).toBe(200);
  await tested.close();
});

test('a code whose redemption died before its tokens were issued is redeemed by the next call', async () => {
  const { store, lose } = losing(inMemoryEventStore());
  const tested = await testEngine({ store });
  const tpp = await redirectTpp(tested);
  const at = browser(tested.url);
  const page = await signIn(at, await at.get(authorizeUrl(tpp.request)), 'alice');
  const { code = '' } = answerIn((await decide(at, page, 'approved')).goesTo);
  lose('grant-');
  expect((await tpp.redeem(code)).status).toBe(503);
  expect((await tpp.redeem(code)).status).toBe(200);
  expect((await tpp.redeem(code)).body['error']).toBe('invalid_grant');
  await tested.close();
});
