import { clientIsActive } from './clients.ts';
import { coveredBy } from './consents.ts';
import { type Fact, type Grant, isBefore, type Request, requestIn, type Say, scopeIsWithin, type World } from './world.ts';

interface Opened {
  clientId: string;
  psuId: string | null;
  consentId: string | null;
  requestId: string | null;
  authTime: number | null;
  acr: string | null;
  scope: string;
  /** Absent in version 1, as is the one after it. */
  certificateThumbprint?: string | null;
  dpopKeyThumbprint?: string | null;
}

/** R11 to R14: what tokens hang on. */
export const grantFact = (world: World, fact: Fact, say: Say): void => {
  const { type, id, data } = fact;
  const grant = world.grants.get(id);
  if (type === 'GrantOpened') {
    if (grant !== undefined) say('R11', 'the grant was opened before');
    open(world, fact, say);
    return;
  }
  if (grant === undefined) {
    say('R11', 'the grant was not opened');
    return;
  }
  if (grant.revoked) say('R14', 'the grant was revoked before');
  switch (type) {
    case 'AccessTokenIssued':
      issue(world, grant, fact, say);
      return;
    case 'RefreshTokenIssued':
      issueRefreshToken(grant, fact, say);
      return;
    case 'TokenResponseKept':
      if (data['requestId'] !== grant.requestId || data['psuId'] !== grant.psuId) say('R14', 'the response is of another request or PSU');
      return;
    case 'GrantRevoked':
      grant.revoked = true;
  }
};

const open = (world: World, fact: Fact, say: Say): void => {
  const { clientId, psuId, consentId, requestId, authTime, acr, scope, ...bound } = fact.data as unknown as Opened;
  clientIsActive(world, clientId, fact, say);
  const kind = requestId === null ? 'own' : requestId === fact.id ? 'redeemed' : 'asserted';
  world.grants.set(fact.id, { kind, clientId, psuId, consentId, requestId, scope, tokens: 0, refreshToken: null, revoked: false });
  if (requestId === null) {
    if (psuId !== null || consentId !== null || authTime !== null || acr !== null)
      say('R11', 'a grant of a client’s own has neither PSU nor consent');
    return;
  }
  const request = requestIn(world, requestId);
  const answer = request?.answer;
  if (request === undefined || answer?.verdict !== 'approved') {
    say('R11', 'the grant hangs on a request that was not approved');
    return;
  }
  if (clientId !== request.clientId || psuId !== answer.psuId || consentId !== request.consentId || acr !== request.acr)
    say('R11', 'client, PSU, consent or acr are not those of the request');
  if (coveredBy(world, consentId, requestId, fact) === 'no') say('R11', 'the consent did not cover the request when the grant was opened');
  if (kind === 'redeemed') redeemed(world, request, fact, { authTime, scope, ...bound }, say);
  else if (!scopeIsWithin(scope, request.scope) || authTime !== answer.at) say('R11', 'scope or time are not within what was approved');
};

const redeemed = (
  world: World,
  request: Request,
  fact: Fact,
  {
    authTime,
    scope,
    certificateThumbprint,
    dpopKeyThumbprint,
  }: Pick<Opened, 'authTime' | 'scope' | 'certificateThumbprint' | 'dpopKeyThumbprint'>,
  say: Say,
): void => {
  if (request.status !== 'redeemed') say('R11', 'the grant was opened without a redemption');
  if (scope !== request.scope || authTime !== request.answer?.authTime) say('R11', 'scope or time are not those of what was approved');
  if (!isBefore(world, fact.at, request.codeEndsAt ?? request.expiresAt)) say('R11', 'the grant was opened too late');
  if (isOther(request.certificateThumbprint, certificateThumbprint) || isOther(request.dpopKeyThumbprint, dpopKeyThumbprint))
    say('R11', 'the grant is not bound to what the request was bound to');
};

const isOther = (asked: string | null, bound: string | null | undefined): boolean =>
  asked !== null && bound !== undefined && bound !== asked;

/** R12: every access token has a grant that stands, of a client and under a consent that stand. */
const issue = (world: World, grant: Grant, fact: Fact, say: Say): void => {
  const expiresAt = fact.data['expiresAt'] as number;
  const scope = fact.data['scope'] as string;
  const isFirst = grant.tokens === 0;
  grant.tokens += 1;
  world.tokens += 1;
  clientIsActive(world, grant.clientId, fact, say);
  if (isFirst ? fact.revision !== 1 || scope !== grant.scope : !scopeIsWithin(scope, grant.scope))
    say('R12', 'the first token comes with the grant, and none has more scope');
  if (!isFirst && (grant.refreshToken === null || fact.at >= grant.refreshToken.expiresAt))
    say('R13', 'a further token needs a refresh token that is good');
  if (grant.requestId === null) {
    if (expiresAt <= fact.at) say('R12', 'the token was over when it was issued');
    return;
  }
  const covered = coveredBy(world, grant.consentId, grant.requestId, fact);
  if (covered === 'no') say('R12', 'the consent did not cover the token');
  const consentEnd = world.consents.get(grant.consentId ?? '')?.expiresAt ?? Number.POSITIVE_INFINITY;
  if (covered === 'yes' && (expiresAt <= fact.at || expiresAt > consentEnd))
    say('R12', 'the token is good for no time, or longer than its consent');
};

/** R13: the first refresh token comes with the grant; each other one replaces the one before it, and lives no longer. */
const issueRefreshToken = (grant: Grant, fact: Fact, say: Say): void => {
  const {
    tokenHash,
    expiresAt,
    replaces = null,
    nonce = null,
  } = fact.data as { tokenHash: string; expiresAt: number; replaces?: string | null; nonce?: string | null };
  const { refreshToken } = grant;
  if (grant.kind !== 'redeemed') say('R13', 'only a grant that was redeemed has refresh tokens');
  if (refreshToken === null) {
    if (replaces !== null || fact.revision !== 2) say('R13', 'the first refresh token comes with the grant');
  } else if (replaces !== refreshToken.tokenHash || nonce === null || expiresAt !== refreshToken.expiresAt)
    say('R13', 'a refresh token replaces the one before it, and lives no longer');
  grant.refreshToken = { tokenHash, expiresAt };
};
