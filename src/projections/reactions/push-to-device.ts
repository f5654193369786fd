import type { Decide } from '../../domain/decide.ts';
import { device, pushTokenDied } from '../../domain/device/decider.ts';
import { deviceEvents } from '../../domain/device/events.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { PushOutcome, PushSender } from '../../domain/ports/push-sender.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { attempted, push } from '../../domain/push/decider.ts';
import { type DeviceRow, findDevice, type PushDue, pushesDue } from '../device-lookup.ts';
import { findPending } from '../pending-requests.ts';
import type { Reaction } from './runner.ts';

const ENGINE = { kind: 'engine', id: 'push-to-device' } as const;

/** CibaRequestReceived → every device of the PSU is woken. At least once until the request ends; every attempt is a fact. */
export const pushToDevice = (deps: { decide: Decide; rows: Rows; sealer: Sealer; sender: PushSender; clock: Clock; ids: Ids }): Reaction => ({
  name: 'push-to-device',
  due: (limit) => pushesDue(deps.rows, deps.clock(), limit).map((due) => ({ key: `${due.requestId}.${due.deviceId}`, act: () => wake(deps, due) })),
});

type Deps = Parameters<typeof pushToDevice>[0];

const wake = async ({ decide, rows, sealer, sender, clock, ids }: Deps, due: PushDue): Promise<void> => {
  const row = findDevice(rows, due.deviceId);
  const consentId = findPending(rows, due.requestId)?.consent_id;
  if (row === undefined || consentId === undefined) return;
  const command = () => ({ id: ids.uuid(), actor: ENGINE, correlationId: consentId, causationId: null });
  const outcome = await send(sender, pushTokenOf(row, sealer), due, clock());
  const at = clock();
  if (outcome.outcome === 'dead') await decide(device, due.deviceId, pushTokenDied(row.tokenRevision, at), command());
  const { requestId, deviceId, psuId, expiresAt } = due;
  const attempt = { requestId, deviceId, psuId, at, requestExpiresAt: expiresAt };
  await decide(push, `${requestId}.${deviceId}`, attempted(attempt, outcome), command());
};

const send = async (sender: PushSender, pushToken: string | null, { requestId, expiresAt }: PushDue, at: number): Promise<PushOutcome> => {
  if (pushToken === null) return { outcome: 'refused', reason: 'no_push_token' };
  if (at >= expiresAt) return { outcome: 'refused', reason: 'request_expired' };
  return sender.wake({ pushToken, requestId, ttlSeconds: expiresAt - at });
};

const pushTokenOf = ({ tokenEvent, token }: DeviceRow, sealer: Sealer): string | null =>
  deviceEvents.open(tokenEvent, token, sealer)?.pushToken ?? null;
