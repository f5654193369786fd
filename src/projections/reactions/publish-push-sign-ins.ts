import { authentication, fail, succeed } from '../../domain/authentication/decider.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import { device } from '../../domain/device/decider.ts';
import type { Ids } from '../../domain/ports/clock.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import { type PushSignInDue, pushSignInsDue } from '../push-sign-ins.ts';
import type { Reaction } from './runner.ts';

const ENGINE = { kind: 'engine', id: 'publish-push-sign-ins' } as const;

interface Deps {
  decide: Decide;
  load: Load;
  rows: Rows;
  ids: Ids;
  psuChannel: string;
}

/**
 * CibaRequestApproved, CibaRequestDenied by a phone → AuthenticationSucceeded: the phone has proved whose it is, whatever it answered.
 * AnswerRefused → AuthenticationFailed.
 */
export const publishPushSignIns = (deps: Deps): Reaction => ({
  name: 'publish-push-sign-ins',
  after: ['CibaRequestApproved', 'CibaRequestDenied', 'AnswerRefused', 'AuthenticationSucceeded', 'AuthenticationFailed'],
  due: (limit) => pushSignInsDue(deps.rows, limit).map((due) => ({ key: due.answerId, act: () => publish(deps, due) })),
});

/** The id of the sign-in is that of the answer: made twice, also by two nodes, it is one. */
const publish = async (
  { decide, load, ids, psuChannel }: Deps,
  { answerId, requestId, consentId, deviceId, refusal, answeredAt }: PushSignInDue,
): Promise<void> => {
  const phone = await load(device, deviceId);
  if (phone.status === 'absent') throw new Error(`device ${deviceId} has answered and is not there`);
  const attempt = { flow: 'ciba', step: 'push', requestId, psuChannel, at: answeredAt, psuId: phone.psuId, deviceId } as const;
  const decision = refusal === null ? succeed(attempt) : fail({ ...attempt, reason: refusal === 'device' ? 'other_psu' : refusal });
  const command = {
    id: ids.derived(`push-sign-in/${answerId}`),
    actor: ENGINE,
    correlationId: consentId,
    causationId: answerId,
    fresh: true,
  };
  await decide(authentication, answerId, decision, command);
};
