// Replays a log of whole ceremonies into all projections. What run.ts asks of it: `prepare` builds the log, `replay` reads it once.
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock, systemIds } from '../src/adapters/clock.ts';
import { sqliteEventReader, sqliteEventStore } from '../src/adapters/event-store/sqlite.ts';
import { psuKeys } from '../src/adapters/keys/psu-keys.ts';
import { sqliteRows } from '../src/adapters/rows/sqlite.ts';
import { detailTypes } from '../src/domain/authorization-details/registered.ts';
import { answer, cibaRequest, receive, redeem, retrieve } from '../src/domain/ciba-request/decider.ts';
import { consent } from '../src/domain/consent/decider.ts';
import { makeDecide, makeLoad } from '../src/domain/decide.ts';
import { device, offer, register } from '../src/domain/device/decider.ts';
import { grant, open } from '../src/domain/grant/decider.ts';
import { makePersist } from '../src/domain/persist.ts';
import { attempted, push, pushIdOf } from '../src/domain/push/decider.ts';
import { projections } from '../src/projections/all.ts';
import { runProjections } from '../src/projections/runner.ts';
import { answerRunner } from './measure.ts';

const { values: given } = parseArgs({ options: { data: { type: 'string', default: '.' }, quick: { type: 'boolean', default: false } } });
const CEREMONIES = given.quick ? 2_000 : 50_000;
const AT_ONCE = 200;
const PSUS = 1000;
const file = join(given.data, 'log.sqlite');

/** The facts of one ceremony, by the deciders that a real one goes through. */
const ceremonies = () => {
  const store = sqliteEventStore(file);
  const sealer = psuKeys(':memory:', randomBytes(32));
  const decide = makeDecide({ store, sealer, ids: systemIds });
  const load = makeLoad(store);
  const persist = makePersist({ decide, load, sealer, ids: systemIds });

  const one = async (n: number): Promise<void> => {
    const at = systemClock();
    const [requestId, psuId, deviceId, clientId] = [systemIds.orderedSecret(), `psu-${n % PSUS}`, `device-${n % PSUS}`, 'tpp'];
    const command = () => ({
      id: systemIds.uuid(),
      actor: { kind: 'client', id: clientId } as const,
      correlationId: requestId,
      causationId: null,
    });
    const request = { clientId, psuId, consentId: requestId, consentOrigin: 'request' as const, scope: 'openid accounts', acr: null };
    const received = {
      ...request,
      certificateThumbprint: null,
      intervalSeconds: 5,
      at,
      expiresAt: at + 300,
      deliveryMode: 'poll' as const,
      dpopKeyThumbprint: null,
      supersedes: null,
    };
    const nothingElse = { authorizationDetails: null, requestContext: null, notificationToken: null, authReqId: null };
    const asked = { bindingMessage: `Payment ${n}`, ...nothingElse };
    await decide(cibaRequest, requestId, receive(received, asked), command());
    const attempt = { requestId, deviceId, tokenRevision: 1, psuId, at, requestExpiresAt: at + 300 };
    await decide(push, pushIdOf(attempt), attempted(attempt, { outcome: 'accepted', messageId: `m-${n}` }), command());
    const shown = { psuId, deviceId, sessionId: null, digest: systemIds.secret(), nonce: systemIds.secret(), consentRevision: -1, at };
    await decide(cibaRequest, requestId, retrieve(shown, 'what was shown, about as long as a real one '.repeat(15)), command());
    const accountIds = [`account-${n}`];
    const by = {
      ...shown,
      verdict: 'approved' as const,
      keyThumbprint: 'key',
      accountIds,
      authorizationDetails: null,
      jws: 'j'.repeat(600),
    };
    const parts = { asked: () => null, offered: () => accountIds, chosen: () => ({ accountIds, authorizationDetails: null }) };
    await decide(cibaRequest, requestId, answer(by, { status: 'absent', revision: -1 }, parts, detailTypes), command());
    await persist(requestId);
    const redemption = { clientId, certificateThumbprint: null, consent: await load(consent, requestId), grantId: requestId, at };
    await decide(cibaRequest, requestId, redeem(redemption), command());
    const unbound = { certificateThumbprint: null, dpopKeyThumbprint: null };
    const grantOf = { clientId, psuId, consentId: requestId, requestId, authTime: at, acr: null, scope: request.scope, at };
    const opened = { ...grantOf, ...unbound, hasAuthorizationDetails: false };
    const token = () => ({ tokenHash: systemIds.secret(), at, expiresAt: at + 3600 });
    await decide(grant, requestId, open(opened, { ...token(), scope: request.scope, ...unbound }, token()), command());
  };
  const registerDevice = async (n: number): Promise<void> => {
    const at = systemClock();
    const command = () => ({
      id: systemIds.uuid(),
      actor: { kind: 'operator', id: 'bench' } as const,
      correlationId: `device-${n}`,
      causationId: null,
    });
    await decide(device, `device-${n}`, offer({ psuId: `psu-${n}`, challengeHash: 'c', at, expiresAt: at + 60 }), command());
    const publicKey = { kty: 'OKP' as const, crv: 'Ed25519' as const, x: systemIds.secret() };
    const registration = {
      challengeHash: 'c',
      publicKey,
      keyThumbprint: systemIds.secret(),
      dialect: 'countersign' as const,
      name: 'Phone',
      model: 'Bench',
      pushToken: 'token',
      at,
    };
    await decide(
      device,
      `device-${n}`,
      register(registration, () => null),
      command(),
    );
  };
  return { store, one, registerDevice };
};

const prepare = async (): Promise<{ events: number }> => {
  const { store, one, registerDevice } = ceremonies();
  await Promise.all(Array.from({ length: PSUS }, (_, n) => registerDevice(n)));
  for (let n = 0; n < CEREMONIES; n += AT_ONCE) await Promise.all(Array.from({ length: AT_ONCE }, (_, k) => one(n + k)));
  const events = await store.head();
  await store.close();
  return { events };
};

/** Events per second from the first event to caught up, into fresh files. */
const replay = async (): Promise<number> => {
  const store = sqliteEventReader(file);
  const rowsFile = join(given.data, 'read-models.sqlite');
  for (const suffix of ['', '-wal', '-shm']) rmSync(rowsFile + suffix, { force: true });
  const rows = sqliteRows(rowsFile);
  const events = await store.head();
  const start = performance.now();
  const running = runProjections(store, rows, projections, events);
  await running.caughtUp;
  const seconds = (performance.now() - start) / 1000;
  running.stop();
  rows.close();
  await store.close();
  return events / seconds;
};

answerRunner({ prepare, replay });
console.log('ready');
