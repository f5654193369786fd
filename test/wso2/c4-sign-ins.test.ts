import { afterAll, describe, expect, test } from '@jest/globals';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { temporarySigningKeys } from '../../src/adapters/keys/signing-keys.ts';
import { type EventStore, type NewEvent, StoreStopped } from '../../src/domain/ports/event-store.ts';
import { consentStreams } from '../../src/projections/consent-history.ts';
import { browser, decide, signIn } from '../support/browser.ts';
import { standingClock } from '../support/clock.ts';
import { sendAnswer, testDevice } from '../support/device.ts';
import { nodesOwn, type TestEngine, testEngine } from '../support/engine.ts';
import { recorded } from '../support/log.ts';
import { ask, secretTpp } from '../support/tpp.ts';
import { type Stage, startStage } from './support/stage.ts';

const closing: (() => Promise<unknown>)[] = [];
afterAll(() => Promise.all(closing.map((close) => close())));

const stageWith = async (...given: Parameters<typeof startStage>): Promise<Stage> => {
  const stage = await startStage(...given);
  closing.push(() => stage.close());
  return stage;
};

type Outcome = 'CibaRequestApproved' | 'CibaRequestDenied' | 'AnswerRefused';

/** What a phone has answered, and the sign-in that is published for it. */
const published = async (tested: TestEngine, outcome: Outcome, requestId: string) => {
  const answer = await recorded(tested, outcome, `cibaRequest-${requestId}`);
  const type = outcome === 'AnswerRefused' ? 'AuthenticationFailed' : 'AuthenticationSucceeded';
  return { answer, signIn: await recorded(tested, type, `authentication-${answer.id}`) };
};
const signInsOf = <Event extends NewEvent>(log: readonly Event[]): Event[] =>
  log.filter(({ type, data }) => type.startsWith('Authentication') && JSON.parse(data).step === 'push');

describe('C4: the step push of a request', () => {
  test.each([
    ['approve', 'CibaRequestApproved'],
    ['deny', 'CibaRequestDenied'],
  ] as const)('C4: a phone that says %s has signed its PSU in: published with the channel', async (verdict, outcome) => {
    const stage = await stageWith({ COUNTERSIGN_AUTHENTICATION_PSU_CHANNEL: 'Mobile Banking' });
    const phone = await stage.phone();
    const { requestId } = await stage.ask();
    expect((await phone[verdict](await stage.push(phone.pushId))).status).toBe(202);
    const { answer, signIn } = await published(stage.tested, outcome, requestId);
    expect({ ...signIn, data: JSON.parse(signIn.data) }).toMatchObject({
      actor: { kind: 'engine', id: 'publish-push-sign-ins' },
      correlationId: answer.correlationId,
      causationId: answer.id,
      data: {
        ...{ flow: 'ciba', step: 'push', requestId, psuChannel: 'Mobile Banking', psuId: 'psu-alice', deviceId: phone.deviceId },
        at: JSON.parse(answer.data).at,
      },
    });
  });

  test('C4: an answer that is refused is a failure: whose phone it was, and why', async () => {
    const time = standingClock();
    const stage = await stageWith({}, { clock: time.clock });
    const [phone, bobs] = [await stage.phone(), await stage.phone('bob')];
    const failure = async (requestId: string) => JSON.parse((await published(stage.tested, 'AnswerRefused', requestId)).signIn.data);
    const about = { flow: 'ciba', step: 'push', psuChannel: 'Online Banking', at: time.clock() };

    const one = await stage.ask();
    const push = await stage.push(phone.pushId, 1);
    await phone.approve({ ...push, challenge: 'another' });
    const ofPhone = { ...about, psuId: 'psu-alice', deviceId: phone.deviceId };
    expect(await failure(one.requestId)).toEqual({ ...ofPhone, requestId: one.requestId, reason: 'challenge' });

    const other = await stage.ask();
    await bobs.approve(await stage.push(phone.pushId, 2));
    const ofBob = { ...about, psuId: 'psu-bob', deviceId: bobs.deviceId };
    expect(await failure(other.requestId)).toEqual({ ...ofBob, requestId: other.requestId, reason: 'other_psu' });

    const late = await stage.ask({ requested_expiry: '10' });
    const toLate = await stage.push(phone.pushId, 3);
    time.pass(11);
    await phone.approve(toLate);
    expect(await failure(late.requestId)).toEqual({ ...ofPhone, at: time.clock(), requestId: late.requestId, reason: 'ended' });
  });

  test('C4: it stands in the story of the consent', async () => {
    const stage = await stageWith();
    const phone = await stage.phone();
    const { requestId } = await stage.ask();
    await phone.deny(await stage.push(phone.pushId));
    const { signIn } = await published(stage.tested, 'CibaRequestDenied', requestId);
    await stage.tested.engine.readModels.reached(signIn.position);
    expect(consentStreams(stage.tested.ports.rows, requestId).streams).toContain(signIn.stream);
  });

  test('C4: only of clients whose profile is that of the reference', async () => {
    const stage = await stageWith();
    const { tested } = stage;
    const phone = await testDevice(tested, 'alice');
    const plain = await ask(tested, await secretTpp(tested));
    await phone.decide(plain.requestId, 'approved');
    const { requestId } = await stage.ask();
    await phone.decide(requestId, 'approved');
    const { signIn } = await published(tested, 'CibaRequestApproved', requestId);
    expect(signInsOf(await tested.log())).toEqual([signIn]);
  });

  test('C4: an answer on the page is no push: its sign-in is that of the page', async () => {
    const stage = await stageWith();
    const { tested } = stage;
    const first = await stage.ask();
    const at = browser(tested.url);
    const list = await signIn(at, await at.get('/oauth2/ciba/answer'), 'alice');
    await decide(at, await at.submit(list, {}), 'approved');
    expect((await stage.poll(first.authReqId)).status).toBe(200);
    const phone = await stage.phone();
    const { requestId } = await stage.ask();
    await phone.deny(await stage.push(phone.pushId));
    const { signIn: pushed } = await published(tested, 'CibaRequestDenied', requestId);
    expect(signInsOf(await tested.log())).toEqual([pushed]);
  });
});

describe('C4: exactly one sign-in for each answer', () => {
  /** What several nodes, or a node and the one that takes its place, have in common. */
  const sharedPorts = () => ({
    store: nodesOwn(inMemoryEventStore()),
    sealer: psuKeys(':memory:', Buffer.alloc(32, 3)),
    signer: temporarySigningKeys(),
  });

  test('C4: of two phones that answer at once, again and again, on two nodes', async () => {
    const shared = sharedPorts();
    const [first, second] = [await testEngine(shared), await testEngine(shared)];
    closing.push(
      () => first.close(),
      () => second.close(),
    );
    const tpp = await secretTpp(first, { profile: 'wso2-compat' });
    const phones = [await testDevice(first, 'alice'), await testDevice(first, 'alice')];
    for (let round = 0; round < 5; round += 1) {
      const { requestId } = await ask(first, tpp);
      const answers = await Promise.all(phones.map(async (phone) => phone.answer(await phone.retrieve(requestId), 'denied', [])));
      const replies = await Promise.all([...answers, ...answers].map((answer) => sendAnswer(first, requestId, answer)));
      expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
      await published(first, 'CibaRequestDenied', requestId);
    }
    await second.engine.readModels.latest();
    const log = await first.log();
    const answers = log.filter(({ type }) => type === 'CibaRequestDenied').map(({ id }) => `authentication-${id}`);
    expect(signInsOf(log).map(({ stream }) => stream)).toEqual(answers);
    expect(answers).toHaveLength(5);
  });

  test('C4: also where the process dies between the answer and its sign-in', async () => {
    const shared = sharedPorts();
    const dying: EventStore = {
      ...shared.store,
      append: async (stream, events, expectedRevision) => {
        if (signInsOf(events).length > 0) throw new StoreStopped('the process died');
        return shared.store.append(stream, events, expectedRevision);
      },
    };
    const dead = await testEngine({ ...shared, store: dying });
    const phone = await testDevice(dead, 'alice');
    const { requestId } = await ask(dead, await secretTpp(dead, { profile: 'wso2-compat' }));
    await phone.decide(requestId, 'approved');
    await expect(dead.close()).rejects.toThrow('the engine had faults');

    const next = await testEngine(shared);
    closing.push(() => next.close());
    const { signIn } = await published(next, 'CibaRequestApproved', requestId);
    expect(signInsOf(await next.log())).toEqual([signIn]);
  });
});
