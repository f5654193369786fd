import { alreadyRedeemed, cibaRequest, type ReceivedCibaRequest, redeem } from '../../domain/ciba-request/decider.ts';
import { requestIdOf } from '../../domain/ciba-request/id.ts';
import { worded } from '../../domain/client/error-words.ts';
import { PROFILES, type Profile } from '../../domain/client/profiles.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import { grant, open } from '../../domain/grant/decider.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Limits } from '../../domain/ports/limits.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { findWaiting } from '../../projections/pending-requests.ts';
import type { ReadModels } from '../read-models.ts';
import { json, type Reply, refusalReply } from '../reply.ts';
import type { Call } from '../route.ts';
import { detailsOf } from './approved-details.ts';
import type { AuthenticatedClient } from './client-auth.ts';
import { consentAndClient } from './consent-and-client.ts';
import type { IssueTokens } from './issue-tokens.ts';
import { type LongPolls, preferredWait } from './long-polls.ts';
import type { GrantHandler } from './token.ts';

const polledTooSoon = ({ slowDownSeconds }: Profile) =>
  new OAuthError('slow_down', `polled too soon: wait ${slowDownSeconds} seconds longer between polls`);

/** What most polls get, in the words of a profile. */
const waitingReplies = (profile: Profile) => {
  const refuse = (refusal: OAuthError) => refusalReply(worded(refusal, profile.errorWords.poll));
  return {
    pending: refuse(new OAuthError('authorization_pending', 'the PSU has not answered yet')),
    slowDown: refuse(polledTooSoon(profile)),
    expired: refuse(new OAuthError('expired_token', 'auth_req_id has expired')),
  };
};
// Rendered once.
const WAITING = new Map(Object.values<Profile>(PROFILES).map((profile) => [profile, waitingReplies(profile)]));

// CIBA Core 1.0, section 11.
const pushed = () => new OAuthError('unauthorized_client', 'tokens of this request are pushed to the client');

interface Deps {
  decide: Decide;
  load: Load;
  rows: Rows;
  sealer: Sealer;
  readModels: ReadModels;
  issueTokens: IssueTokens;
  limits: Limits;
  longPolls: LongPolls;
  longPollSeconds: number;
  clock: Clock;
  ids: Ids;
}

/**
 * The CIBA grant: a TPP polls with its auth_req_id (CIBA Core 1.0, sections 10.1 and 11). With `Prefer: wait` the answer to a pending
 * request comes as soon as the PSU has answered, and at the latest a second before the request ends; that is one poll.
 */
export const cibaGrant = (deps: Deps): GrantHandler => {
  const { decide, load, rows, sealer, readModels, issueTokens, limits, longPolls, longPollSeconds, clock, ids } = deps;

  /** What the streams say, and nothing else is believed: the tokens, or the refusal. A poll that is paced can be too soon for its tokens. */
  const redeemed = async (authReqId: string, requestId: string, client: AuthenticatedClient, paced = false): Promise<Reply> => {
    const { clientId, binding, profile } = client;
    const request = await load(cibaRequest, requestId);
    const isOwn = request.status !== 'absent' && request.clientId === clientId;
    if (isOwn && request.deliveryMode === 'push') throw pushed();
    const tooSoon = paced && isOwn && (await limits.stillTooSoon(requestId));
    const consentId = request.status === 'absent' ? '' : request.consentId;
    const { consentState } = await consentAndClient(load, { consentId, clientId });
    // A request has one grant, under the same id.
    const grantId = requestId;
    const command = { id: ids.uuid(), actor: { kind: 'client', id: clientId } as const, correlationId: consentId, causationId: null };
    const redeems = redeem({ clientId, ...binding, consent: consentState, grantId, at: clock(), expiryFirst: profile.expiryFirst });
    const decision: typeof redeems = (current) => {
      const facts = redeems(current);
      if (tooSoon && facts.length > 0) throw polledTooSoon(profile);
      return facts;
    };
    const { state, eventIds } = await decide(cibaRequest, requestId, decision, command);
    // Redeemed before: by a call that got its tokens, or by one that died before it could.
    if (eventIds.length === 0 && (await load(grant, grantId)).status !== 'absent') throw alreadyRedeemed();
    const consentExpiresAt = consentState.status === 'absent' ? null : consentState.expiresAt;
    const authorizationDetails = detailsOf(consentState, sealer);
    const opening = { opens: open, actor: { kind: 'client', id: clientId } as const };
    return json(
      200,
      await issueTokens({ authReqId, request: state as ReceivedCibaRequest, consentExpiresAt, authorizationDetails, client }, opening),
    );
  };

  /** Tries again whenever something has happened to the request or its consent, until it no longer waits or the time is over. */
  const afterWaiting = async (
    consentId: string,
    until: { seconds: number; closed: AbortSignal },
    [authReqId, requestId, client]: Parameters<typeof redeemed>,
  ): Promise<Reply> => {
    const watch = longPolls.watch([`cibaRequest-${requestId}`, `consent-${consentId}`], { ...until, of: client.clientId });
    const { pending } = waitingOf(client);
    if (watch === null) return pending;
    try {
      do {
        // Also before the first change: it may have come between the look of this poll and the watch.
        if (findWaiting(rows, requestId) !== undefined) continue;
        try {
          return await redeemed(authReqId, requestId, client);
        } catch (error) {
          // The answer is there, and has not become the consent's yet: that is the next thing to happen.
          if (!isPending(error)) throw error;
        }
      } while (await watch.changed());
      return pending;
    } finally {
      watch.end();
    }
  };

  /** A poll of a request that no longer waits for its PSU. Until the answer has become the consent's, it can be waited for as well. */
  const answered = async (authReqId: string, requestId: string, client: AuthenticatedClient, call: Call): Promise<Reply> => {
    try {
      return await redeemed(authReqId, requestId, client, isPaced(client));
    } catch (error) {
      const request = isPending(error) ? await load(cibaRequest, requestId) : null;
      if (request === null || request.status === 'absent') throw error;
      const seconds = preferredWait(call.headers['prefer'], longPollSeconds, request.expiresAt - clock() - 1);
      if (seconds === 0) throw error;
      return afterWaiting(request.consentId, { seconds, closed: call.closed }, [authReqId, requestId, client]);
    }
  };

  const poll: GrantHandler = async (form, client, call) => {
    const authReqId = form['auth_req_id'];
    if (authReqId === undefined) throw new OAuthError('invalid_request', 'auth_req_id is missing', { reason: 'id missing' });
    const requestId = requestIdOf(authReqId, ids);
    let pending = findWaiting(rows, requestId);
    if (pending !== undefined && client.metadata.backchannel_token_delivery_mode === 'ping') {
      // CIBA Core 1.0, section 10.2: who was pinged finds the result, at whichever node.
      await readModels.latest();
      pending = findWaiting(rows, requestId);
    }
    if (pending?.client_id !== client.clientId) return answered(authReqId, requestId, client, call);
    if (client.metadata.backchannel_token_delivery_mode === 'push') throw pushed();
    const at = clock();
    const waiting = waitingOf(client);
    if (at >= pending.expires_at) return waiting.expired;
    const pace = { intervalSeconds: pending.interval_seconds, slowDownSeconds: client.profile.slowDownSeconds };
    if (await limits.tooSoon(requestId, pace, pending.expires_at)) return waiting.slowDown;
    const seconds = preferredWait(call.headers['prefer'], longPollSeconds, pending.expires_at - at - 1);
    if (seconds === 0) return waiting.pending;
    return afterWaiting(pending.consent_id, { seconds, closed: call.closed }, [authReqId, requestId, client]);
  };

  return async (form, client, call) => {
    try {
      return await poll(form, client, call);
    } catch (error) {
      throw error instanceof OAuthError ? worded(error, client.profile.errorWords.poll) : error;
    }
  };
};

const isPending = (error: unknown): boolean => error instanceof OAuthError && error.error === 'authorization_pending';

/** Whether it counts how often the client polls when its tokens are there; whoever is pinged may come at once. */
const isPaced = ({ profile, metadata }: AuthenticatedClient): boolean =>
  profile.slowDownFirst && metadata.backchannel_token_delivery_mode === 'poll';

const waitingOf = ({ profile }: AuthenticatedClient) => WAITING.get(profile) ?? waitingReplies(profile);
