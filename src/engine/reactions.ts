import { makeOpenPushedGrant } from '../api/tpp/pushed-grant.ts';
import type { Config } from '../config.ts';
import { detailTypes } from '../domain/authorization-details/registered.ts';
import { deliverNotifications } from '../projections/reactions/deliver-notifications.ts';
import { cancelRequests, expireConsents, expireRequests, revokeGrants } from '../projections/reactions/end-what-is-over.ts';
import { finishAnswers } from '../projections/reactions/finish-answers.ts';
import { notifyOfConsents } from '../projections/reactions/notify-of-consents.ts';
import { pingClient } from '../projections/reactions/ping-client.ts';
import { publishPushSignIns } from '../projections/reactions/publish-push-sign-ins.ts';
import { pushToDevice } from '../projections/reactions/push-to-device.ts';
import { pushTokens } from '../projections/reactions/push-tokens.ts';
import type { Reaction } from '../projections/reactions/runner.ts';
import type { Issuing } from './core.ts';

/** What an engine does by itself, once something was recorded or when the time has come. */
export const engineReactions = (issuing: Issuing, config: Config): Reaction[] => {
  const { rows, clock, persist, persistAuthorization } = issuing;
  return [
    ...(config.authentication.ciba.includes('push') ? [pushToDevice({ ...issuing, ...config.wso2, detailTypes })] : []),
    // An answer is one of a CIBA request or of an authorization request: each finds nothing under the ids of the other.
    finishAnswers({ rows, clock, persist: (requestId) => Promise.all([persist(requestId), persistAuthorization(requestId)]) }),
    publishPushSignIns({ ...issuing, ...config.authentication }),
    pingClient(issuing),
    pushTokens({ ...issuing, openPushedGrant: makeOpenPushedGrant(issuing) }),
    expireRequests(issuing),
    expireConsents(issuing),
    cancelRequests(issuing),
    revokeGrants(issuing),
    notifyOfConsents(issuing),
    ...(config.eventNotifications.callbacks ? [deliverNotifications(issuing)] : []),
  ];
};
