import type { DetailTypes } from '../../domain/authorization-details/detail-type.ts';
import { cibaRequest } from '../../domain/ciba-request/decider.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import { device, pushTokenDied, type RegisteredDevice } from '../../domain/device/decider.ts';
import { pushTokenOf } from '../../domain/device/described.ts';
import type { PhoneDialect } from '../../domain/device/events.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { ConsentSteps } from '../../domain/ports/consent-steps.ts';
import type { LoginScript } from '../../domain/ports/login-script.ts';
import type { PsuDirectory } from '../../domain/ports/psu-directory.ts';
import type { PushContent, PushOutcome, PushSender } from '../../domain/ports/push-sender.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { attempted, push, pushIdOf } from '../../domain/push/decider.ts';
import { type PushDue, pushesDue } from '../device-lookup.ts';
import { findPending } from '../pending-requests.ts';
import { engineCommand } from './engine-command.ts';
import { toldTo } from './phone-told.ts';
import type { Reaction } from './runner.ts';
import { untilKept } from './until-kept.ts';

const NAME = 'push-to-device';

export interface PushDeps {
  decide: Decide;
  load: Load;
  rows: Rows;
  sealer: Sealer;
  pushSender: PushSender;
  loginScript: LoginScript;
  directory: PsuDirectory;
  consentSteps: ConsentSteps;
  detailTypes: DetailTypes;
  tenantDomain: string;
  clock: Clock;
  ids: Ids;
}

/** CibaRequestReceived → every device of the PSU is woken. At least once until the request ends; every attempt is a fact. */
export const pushToDevice = (deps: PushDeps): Reaction => ({
  name: NAME,
  after: [
    ...(['CibaRequestReceived', 'DevicePushAccepted', 'DevicePushRejected'] as const),
    ...(['DeviceRegistered', 'DevicePushTokenReplaced', 'DevicePushTokenDied', 'DeviceRevoked'] as const),
  ],
  due: (limit) =>
    pushesDue(deps.rows, deps.clock(), limit).map((due) => ({ key: pushIdOf(due), act: (mayRepeat) => wake(deps, due, mayRepeat) })),
  outstanding: () => pushesDue(deps.rows, deps.clock(), Number.MAX_SAFE_INTEGER).map(pushIdOf),
});

const wake = async (deps: PushDeps, due: PushDue, mayRepeat: boolean): Promise<void> => {
  const { decide, load, rows, clock, ids } = deps;
  const { requestId, deviceId, tokenRevision, psuId, expiresAt } = due;
  const registered = await load(device, deviceId);
  const consentId = findPending(rows, requestId)?.consent_id;
  // The rows stand a moment behind: what was decided meanwhile takes this off the list.
  if (registered.status !== 'active' || registered.token?.revision !== tokenRevision || consentId === undefined) return;
  if ((await load(push, pushIdOf(due))).status !== 'open') return;
  const outcome = await outcomeOf(deps, registered, due);
  const at = clock();
  const died = engineCommand(ids, NAME, consentId);
  if (outcome.outcome === 'dead')
    await untilKept((again) => decide(device, deviceId, pushTokenDied(tokenRevision, at), { ...died, again }));
  const attempt = { requestId, deviceId, tokenRevision, psuId, at, requestExpiresAt: expiresAt, mayRepeat };
  const made = engineCommand(ids, NAME, consentId);
  await untilKept((again) => decide(push, pushIdOf(due), attempted(attempt, outcome), { ...made, again }));
};

const refused = (reason: string): PushOutcome => ({ outcome: 'refused', reason });

/** What becomes of one attempt. Whatever cannot be had now is tried again; what is told is made last, because that is recorded as shown. */
const outcomeOf = async (deps: PushDeps, registered: RegisteredDevice, due: PushDue): Promise<PushOutcome> => {
  const pushToken = pushTokenOf(registered, deps.sealer);
  if (pushToken === null) return refused('no_push_token');
  if (deps.clock() >= due.expiresAt) return refused('request_expired');
  try {
    if (!(await isWanted(deps, due))) return refused('login_script');
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error;
    return { outcome: 'retry', reason: 'login_script', afterSeconds: null };
  }
  const { dialect } = registered;
  const send = (content?: PushContent) => sendTo(deps, pushToken, due, content);
  return dialect === 'countersign' ? send() : tell(deps, due, dialect, send);
};

/** Whether the ASPSP's script wants a push for this request; one that does not is found by its PSU who looks. */
const isWanted = async ({ loginScript, load }: PushDeps, { requestId }: PushDue): Promise<boolean> => {
  if (!loginScript.chooses) return true;
  const request = await load(cibaRequest, requestId);
  const clientId = request.status === 'absent' ? null : request.clientId;
  return (await loginScript.steps({ flow: 'ciba', requestId, clientId }, ['push'])).length > 0;
};

/** Sends what a phone is told, or less where the push service takes no message of that size. */
const tell = async (
  deps: PushDeps,
  due: PushDue,
  dialect: PhoneDialect,
  send: (content: PushContent) => Promise<PushOutcome>,
): Promise<PushOutcome> => {
  try {
    const told = await toldTo(deps, due, dialect);
    if (told === null) return refused('erased');
    const outcome = await send(told.content);
    if (outcome.outcome !== 'too_large' || !told.whole) return outcome;
    const less = await toldTo(deps, due, dialect, { mostBytes: 0 });
    return less === null ? refused('erased') : send(less.content);
  } catch (error) {
    if (!(error instanceof OAuthError)) throw error;
    const { error: reason } = error;
    return reason === 'temporarily_unavailable' ? { outcome: 'retry', reason, afterSeconds: null } : refused(reason);
  }
};

const sendTo = async (
  { pushSender, clock }: PushDeps,
  pushToken: string,
  { requestId, expiresAt }: PushDue,
  content?: PushContent,
): Promise<PushOutcome> => {
  const at = clock();
  if (at >= expiresAt) return refused('request_expired');
  return pushSender.wake({ pushToken, requestId, ttlSeconds: expiresAt - at, ...(content && { content }) });
};
