import { systemIds } from '../../src/adapters/clock.ts';
import { psuKeys } from '../../src/adapters/keys/psu-keys.ts';
import { OAuthError } from '../../src/domain/oauth-error.ts';
import type { EventStore } from '../../src/domain/ports/event-store.ts';
import type { Sealer } from '../../src/domain/ports/sealer.ts';
import { type EventNotificationSteps, eventNotificationSteps } from './event-notification-steps.ts';
import { type RedirectSteps, redirectSteps } from './redirect-steps.ts';
import { type Steps, steps } from './steps.ts';

const CLIENTS = 6;
const PSUS = 10;
const AT_ONCE = 25;

interface Chance {
  /** True as often as it is told. */
  happens(share: number): boolean;
  pick<T>(from: readonly T[]): T;
}

/**
 * A plausible past: people with devices, TPPs with consents, and ceremonies that run at once and take every turn that they can take.
 * What a decider refuses did not happen. The same seed makes the same story.
 */
export const writeHistory = async (
  store: EventStore,
  { ceremonies, seed, sealer = psuKeys(':memory:', Buffer.alloc(32, 1)) }: { ceremonies: number; seed: number; sealer?: Sealer },
): Promise<void> => {
  const chance = seeded(seed);
  let at = 1_750_000_000;
  let numbers = 0;
  const ids = { ...systemIds, uuid: () => systemIds.derived(`uuid/${seed}/${++numbers}`) };
  const ports = { store, sealer, clock: () => at, ids };
  const world = { ...steps(ports), ...redirectSteps(ports), ...eventNotificationSteps(ports) };

  await world.changeSigningKeys();
  const stories = [
    ...Array.from({ length: CLIENTS }, (_, n) => clientStory(world, chance, `tpp-${n}`)),
    ...Array.from({ length: CLIENTS }, (_, n) => newsStory(world, chance, `tpp-${n}`, ceremonies)),
    ...Array.from({ length: PSUS * 2 }, (_, n) => deviceStory(world, chance, `device-${n}`, `psu-${n % PSUS}`)),
    ...Array.from({ length: ceremonies }, (_, n) => ceremony(world, chance, n)),
    ...Array.from({ length: Math.ceil(ceremonies / 4) }, (_, n) => redirection(world, chance, n)),
    ...Array.from({ length: Math.ceil(ceremonies / 8) }, (_, n) => jointStory(world, chance, n)),
  ];
  const running = stories.splice(0, AT_ONCE);
  while (running.length > 0) {
    const story = chance.pick(running);
    const { done, value: step } = await story.next();
    if (done) running.splice(running.indexOf(story), 1, ...stories.splice(0, 1));
    else {
      at += chance.happens(0.01) ? 200 : chance.pick([0, 1]);
      await step().catch(ifRefused);
    }
  }
  for await (const step of forgottenStory(world)) await step();
  for await (const step of halfAgreedStory(world)) await step();
};

type Story = AsyncGenerator<() => Promise<unknown>, void>;

const ifRefused = (error: unknown) => {
  if (!(error instanceof OAuthError)) throw error;
};

async function* clientStory(world: Steps, { happens }: Chance, clientId: string): Story {
  yield () => world.registerClient(clientId);
  while (happens(0.97))
    if (happens(0.1)) yield () => world.renameClient(clientId, `${clientId} renamed`);
    else yield async () => undefined;
  if (happens(0.5)) yield () => world.disableClient(clientId);
}

/** A client subscribes to what happens to its consents, and is told of some of it. */
async function* newsStory(world: EventNotificationSteps, { happens, pick }: Chance, clientId: string, ceremonies: number): Story {
  const topics = ['consent-authorization-revoked', 'Resource-Update', 'news'];
  const subscriptions = [0, 1].map((n) => `subscription-${clientId}-${n}`);
  for (const id of subscriptions) yield () => world.subscribe(id, clientId, topics);
  for (let n = 0; n < ceremonies; n += 1) {
    const consentId = pick([`consent-${n}`, `joint-${n}`]);
    yield () => world.tellOf(consentId);
    if (happens(0.05)) yield () => world.changeSubscription(pick(subscriptions), clientId, [pick(topics)]);
    if (happens(0.9)) continue;
    const id = `news-${clientId}-${n}`;
    yield () => world.tell(id, clientId);
    if (happens(0.4)) yield () => world.notDelivered(id, clientId, pick(['retry', 'refused']));
    if (happens(0.4)) yield () => world.acknowledge(id, clientId);
    if (happens(0.4)) yield () => world.reportError(id, clientId);
  }
  if (happens(0.5)) yield () => world.unsubscribe(pick(subscriptions), clientId);
}

async function* deviceStory(world: Steps, { happens }: Chance, deviceId: string, psuId: string): Story {
  yield () => world.offerEnrolment(deviceId, psuId);
  yield () => world.registerDevice(deviceId, happens(0.8) ? `token of ${deviceId}` : null, happens(0.5) ? 'push-auth' : 'countersign');
  if (happens(0.5)) yield () => world.renameDevice(deviceId, psuId, `renamed ${deviceId}`);
  while (happens(0.97)) {
    if (happens(0.1)) yield () => world.loseToken(deviceId);
    if (happens(0.1)) yield () => world.replacePushToken(deviceId, `new token of ${deviceId}`);
    yield async () => undefined;
  }
  if (happens(0.3)) yield () => world.revokeDevice(deviceId, psuId);
  if (happens(0.3)) yield () => world.offerEnrolment(`${deviceId}-unused`, psuId);
}

async function* ceremony(world: Steps, { happens, pick }: Chance, n: number): Story {
  const requestId = `request-${n}`;
  const person = n % PSUS;
  const clientId = `tpp-${n % CLIENTS}`;
  const consentId = happens(0.7) ? `consent-${n}` : null;
  const devices = [`device-${person}`, `device-${person + PSUS}`];
  if (consentId !== null) yield () => world.lodge(consentId, clientId, happens(0.3) ? 150 : null);
  const deliveryMode = pick(['poll', 'poll', 'ping', 'push'] as const);
  yield () => world.ask(requestId, { clientId, psuId: `psu-${person}`, consentId, lifeSeconds: happens(0.2) ? 30 : 300, deliveryMode });
  for (const deviceId of devices) {
    while (happens(0.4))
      yield () => world.push(requestId, deviceId, { outcome: 'retry', reason: 'UNAVAILABLE', afterSeconds: pick([null, 7]) });
    if (happens(0.7)) yield () => world.push(requestId, deviceId, { outcome: 'accepted', messageId: `${requestId}/${deviceId}` });
    if (happens(0.2)) yield () => world.push(requestId, deviceId, { outcome: 'refused', reason: 'INVALID_ARGUMENT' });
  }
  if (happens(0.05)) yield () => world.cancel(requestId);
  if (happens(0.1)) yield () => world.revokeConsent(consentId ?? requestId);
  const deviceId = pick(devices);
  if (happens(0.9)) yield () => world.show(requestId, deviceId);
  if (happens(0.1)) yield () => world.show(requestId, pick(devices));
  if (happens(0.1)) yield () => world.refuseAnswer(requestId, deviceId);
  if (happens(0.9)) yield () => world.answer(requestId, deviceId, happens(0.85) ? 'approved' : 'denied');
  if (happens(0.8)) yield () => world.persist(requestId);
  if (happens(0.9)) yield () => world.redeem(requestId);
  if (happens(0.1)) yield () => world.revokeConsent(consentId ?? requestId);
  if (happens(0.9)) yield () => redeemed(world, requestId);
  if (deliveryMode !== 'poll') {
    while (happens(0.3)) yield () => world.notify(requestId, { outcome: 'retry', reason: 'timeout', status: null });
    if (happens(0.2)) yield () => world.notify(requestId, { outcome: 'refused', reason: 'http_status', status: 400 });
    if (happens(0.7)) yield () => world.notify(requestId, { outcome: 'accepted', status: 204 });
  }
  for (let token = 1; happens(0.3); token += 1) {
    yield () => world.refresh(requestId, token);
    if (happens(0.2)) yield () => world.revokeToken(requestId, token);
  }
  if (happens(0.8)) yield () => world.persist(requestId);
  yield () => world.expire(requestId);
  if (consentId !== null) yield () => world.expireConsent(consentId);
  if (happens(0.2)) yield () => world.revokeConsent(consentId ?? requestId);
  if (happens(0.2)) yield () => world.revokeGrant(requestId);
}

/** Two people are asked for one consent, which may be amended at any time. */
async function* jointStory(world: Steps, { happens, pick }: Chance, n: number): Story {
  const consentId = `joint-${n}`;
  const clientId = `tpp-${n % CLIENTS}`;
  const people = [n % PSUS, (n + 1) % PSUS];
  yield () =>
    world.lodgeJoint(
      consentId,
      clientId,
      people.map((person) => `psu-${person}`),
    );
  if (happens(0.05)) yield () => world.amendConsent(consentId, 'before the file');
  if (happens(0.9)) yield () => world.uploadFile(consentId, `file of ${consentId}`);
  for (const [round, share] of [0.4, 0].entries()) {
    for (const person of people) {
      const requestId = `${consentId}-${round}-${person}`;
      const deviceId = `device-${person}`;
      const deliveryMode = pick(['poll', 'ping', 'push'] as const);
      yield () => world.ask(requestId, { clientId, psuId: `psu-${person}`, consentId, deliveryMode });
      if (happens(0.9)) yield () => world.show(requestId, deviceId);
      if (happens(0.05)) yield () => world.amendConsent(consentId, 'while it is shown');
      if (happens(0.9)) yield () => world.answer(requestId, deviceId, happens(0.9) ? 'approved' : 'denied');
      if (happens(0.9)) yield () => world.persist(requestId);
    }
    for (const person of people) if (happens(0.8)) yield () => redeemed(world, `${consentId}-${round}-${person}`);
    if (happens(share)) yield () => world.amendConsent(consentId, 'after it was agreed');
  }
  if (happens(0.2)) yield () => world.revokeConsent(consentId);
}

/** One of two people has agreed, to a TPP of the reference's profile, and the past ends there. */
async function* halfAgreedStory(world: Steps): Story {
  const [clientId, consentId, requestId, deviceId] = ['tpp-last', 'joint-last', 'joint-last-request', 'device-last'];
  yield () => world.registerClient(clientId, { profile: 'wso2-compat' });
  yield () => world.offerEnrolment(deviceId, 'psu-last');
  yield () => world.registerDevice(deviceId, null);
  yield () => world.lodgeJoint(consentId, clientId, ['psu-last', 'psu-0']);
  yield () => world.uploadFile(consentId, `file of ${consentId}`);
  yield () => world.ask(requestId, { clientId, psuId: 'psu-last', consentId, deliveryMode: 'ping' });
  yield () => world.show(requestId, deviceId);
  yield () => world.answer(requestId, deviceId, 'approved');
  yield () => world.persist(requestId);
  yield () => world.offerEnrolment(`${deviceId}-unused`, 'psu-last');
  yield () => world.readAsAuditor('auditor', `/consents/${consentId}/history`);
}

/** Somebody is forgotten, and what was asked of somebody else long ago. */
async function* forgottenStory(world: Steps): Story {
  yield () => world.offerEnrolment('device-forgotten', 'psu-forgotten');
  yield () => world.registerDevice('device-forgotten', null);
  yield () => world.erasePsu('psu-forgotten');
  yield () => world.expireData('psu-0', '2025-06');
}

async function* redirection(world: Steps & RedirectSteps, { happens, pick }: Chance, n: number): Story {
  const requestId = `redirected-${n}`;
  const clientId = `tpp-${n % CLIENTS}`;
  const consentId = happens(0.7) ? `redirected-consent-${n}` : null;
  const psuId = `psu-${n % PSUS}`;
  if (consentId !== null) yield () => world.lodge(consentId, clientId, happens(0.3) ? 150 : null);
  yield () => world.requestAuthorization(requestId, { clientId, consentId });
  if (happens(0.1)) yield () => world.giveUp(requestId);
  if (happens(0.9)) yield () => world.signIn(requestId, psuId);
  if (happens(0.1)) yield () => world.signIn(requestId, pick(['psu-0', 'psu-1']));
  if (happens(0.05)) yield () => world.revokeConsent(consentId ?? requestId);
  if (happens(0.9)) yield () => world.showAuthorization(requestId, psuId);
  if (happens(0.9)) yield () => world.answerAuthorization(requestId, psuId, happens(0.8) ? 'approved' : 'denied');
  if (happens(0.8)) yield () => world.persistAuthorization(requestId);
  if (happens(0.9)) yield () => world.redeemCode(requestId);
  if (happens(0.1)) yield () => world.revokeConsent(consentId ?? requestId);
  if (happens(0.8)) yield () => world.persistAuthorization(requestId);
}

/** Opens the grant of a request whose redemption is recorded. */
const redeemed = async (world: Steps, requestId: string): Promise<void> => {
  await world.redeem(requestId);
  await world.openGrant(requestId);
};

/** Mulberry32: the same numbers for the same seed. */
const seeded = (seed: number): Chance => {
  let state = seed;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return { happens: (share) => next() < share, pick: (from) => from[Math.floor(next() * from.length)] as (typeof from)[number] };
};
