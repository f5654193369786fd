import type { Decide, Load } from '../../domain/decide.ts';
import { device, pushTokenDied, type RegisteredDevice } from '../../domain/device/decider.ts';
import { deviceEvents } from '../../domain/device/events.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { PushOutcome, PushSender } from '../../domain/ports/push-sender.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { attempted, push } from '../../domain/push/decider.ts';
import { type PushDue, pushesDue } from '../device-lookup.ts';
import { findPending } from '../pending-requests.ts';
import type { Reaction } from './runner.ts';

const ENGINE = { kind: 'engine', id: 'push-to-device' } as const;

interface Deps {
  decide: Decide;
  load: Load;
  rows: Rows;
  sealer: Sealer;
  sender: PushSender;
  clock: Clock;
  ids: Ids;
}

/** CibaRequestReceived → every device of the PSU is woken. At least once until the request ends; every attempt is a fact. */
export const pushToDevice = (deps: Deps): Reaction => ({
  name: 'push-to-device',
  after: ['CibaRequestReceived', 'DevicePushAccepted', 'DevicePushRejected'],
  due: (limit) =>
    pushesDue(deps.rows, deps.clock(), limit).map((due) => ({ key: `${due.requestId}.${due.deviceId}`, act: () => wake(deps, due) })),
});

const wake = async ({ decide, load, rows, sealer, sender, clock, ids }: Deps, due: PushDue): Promise<void> => {
  const { requestId, deviceId, psuId, expiresAt } = due;
  const registered = await load(device, deviceId);
  const consentId = findPending(rows, requestId)?.consent_id;
  if (registered.status !== 'active' || registered.token === null || consentId === undefined) return;
  const command = () => ({ id: ids.uuid(), actor: ENGINE, correlationId: consentId, causationId: null });
  const outcome = await send(sender, pushTokenOf(registered.token, sealer), due, clock());
  const at = clock();
  if (outcome.outcome === 'dead') await decide(device, deviceId, pushTokenDied(registered.token.revision, at), command());
  const attempt = { requestId, deviceId, psuId, at, requestExpiresAt: expiresAt };
  await decide(push, `${requestId}.${deviceId}`, attempted(attempt, outcome), command());
};

const send = async (sender: PushSender, pushToken: string | null, { requestId, expiresAt }: PushDue, at: number): Promise<PushOutcome> => {
  if (pushToken === null) return { outcome: 'refused', reason: 'no_push_token' };
  if (at >= expiresAt) return { outcome: 'refused', reason: 'request_expired' };
  return sender.wake({ pushToken, requestId, ttlSeconds: expiresAt - at });
};

const pushTokenOf = (token: NonNullable<RegisteredDevice['token']>, sealer: Sealer): string | null =>
  deviceEvents.open(token.type, token.sealed, sealer)?.pushToken ?? null;
