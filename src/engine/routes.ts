import type { Observable } from 'rxjs';
import { answerRoutes } from '../api/answer/routes.ts';
import { approverRoutes } from '../api/approver/routes.ts';
import { auditRoutes } from '../api/audit/routes.ts';
import { authorizeDeps } from '../api/authorize/deps.ts';
import { authorizeRoutes } from '../api/authorize/routes.ts';
import { consentServiceRoutes } from '../api/consent-service/routes.ts';
import { erasureRoutes } from '../api/erasure/routes.ts';
import { eventNotificationRoutes } from '../api/event-notifications/routes.ts';
import { receiptRoutes } from '../api/receipts/routes.ts';
import { registrationRoutes } from '../api/registration/routes.ts';
import { formRoute, type Route } from '../api/route.ts';
import { PATHS } from '../api/surface.ts';
import { tlogRoutes } from '../api/tlog/routes.ts';
import { authorizationCodeGrant } from '../api/tpp/authorization-code-grant.ts';
import { backchannelAuthentication } from '../api/tpp/backchannel-authentication.ts';
import { backchannelCancellation, backchannelCancellationDoc } from '../api/tpp/backchannel-cancellation.ts';
import { cibaGrant } from '../api/tpp/ciba-grant.ts';
import { clientCredentialsGrant } from '../api/tpp/client-credentials-grant.ts';
import { discoveryRoutes } from '../api/tpp/discovery.ts';
import { intentRoutes } from '../api/tpp/intents/routes.ts';
import { introspection } from '../api/tpp/introspection.ts';
import { jwtBearerGrant } from '../api/tpp/jwt-bearer-grant.ts';
import type { LongPolls } from '../api/tpp/long-polls.ts';
import {
  backchannelAuthenticationDoc,
  introspectionDoc,
  pushedAuthorizationDoc,
  revocationDoc,
  tokenDoc,
} from '../api/tpp/protocol-docs.ts';
import { makePsuOfHint } from '../api/tpp/psu-of-hint.ts';
import { pushedAuthorization } from '../api/tpp/pushed-authorization.ts';
import { refreshTokenGrant } from '../api/tpp/refresh-token-grant.ts';
import { makeReadRequestObject } from '../api/tpp/request-object.ts';
import { revocation } from '../api/tpp/revocation.ts';
import { tokenEndpoint } from '../api/tpp/token.ts';
import { makeCheckUserCode } from '../api/tpp/user-code.ts';
import { userinfoRoutes } from '../api/tpp/userinfo.ts';
import { phoneRoutes } from '../api/wso2/routes.ts';
import type { EngineSettings } from '../engine.ts';
import type { AuditIndex } from '../projections/audit-runner.ts';
import type { Shared } from './shared.ts';

/** Everything that is served, but for the documentation of it and the sandbox. */
export const apiRoutes = (
  shared: Shared,
  {
    config,
    registrationFiles,
    polls,
    auditIndex,
    gone,
  }: Pick<EngineSettings, 'config' | 'registrationFiles'> & { polls: LongPolls; auditIndex: AuditIndex; gone: Observable<unknown> },
): readonly Route[] => {
  const { acrValuesSupported, environment, limits, enrolment, registration } = config;
  const redirecting = authorizeDeps({ ...shared, consentPageUrl: config.consent.pageUrl }, { ...config.authentication, ...config.tokens });
  return [
    ...discoveryRoutes(shared),
    formRoute(
      PATHS.backchannelAuthentication,
      backchannelAuthentication({
        ...shared,
        readRequestObject: makeReadRequestObject({ ...shared }),
        psuOfHint: makePsuOfHint(shared),
        checkUserCode: makeCheckUserCode(shared),
        settings: { acrValuesSupported, ...config.ciba, ...limits },
      }),
      backchannelAuthenticationDoc,
    ),
    formRoute(PATHS.backchannelCancellation, backchannelCancellation(shared), backchannelCancellationDoc),
    formRoute(
      PATHS.token,
      tokenEndpoint({
        authenticate: shared.authenticate,
        ciba: cibaGrant({
          ...shared,
          longPolls: polls,
          longPollSeconds: config.ciba.longPollSeconds,
        }),
        authorizationCode: authorizationCodeGrant(shared),
        clientCredentials: clientCredentialsGrant(shared),
        refreshToken: refreshTokenGrant(shared),
        jwtBearer: jwtBearerGrant({ ...shared, clientCredentials: clientCredentialsGrant(shared) }),
      }),
      tokenDoc,
    ),
    formRoute(PATHS.introspection, introspection(shared), introspectionDoc),
    formRoute(PATHS.revocation, revocation(shared), revocationDoc),
    formRoute(PATHS.pushedAuthorization, pushedAuthorization(redirecting), pushedAuthorizationDoc),
    ...authorizeRoutes(redirecting),
    ...answerRoutes(shared),
    ...userinfoRoutes(shared),
    ...registrationRoutes({ ...shared, settings: { ...registration, production: environment === 'production' }, files: registrationFiles }),
    ...intentRoutes(shared),
    ...eventNotificationRoutes({ ...shared, ...config.ciba, ...config.eventNotifications, longPolls: polls }),
    ...approverRoutes({ ...shared, expirySeconds: enrolment.expirySeconds, devicesPerPsu: limits.devicesPerPsu }),
    ...phoneRoutes({ ...shared, ...enrolment, ...limits, settings: config.wso2 }),
    ...consentServiceRoutes({ ...shared, ...redirecting, gone }),
    ...receiptRoutes(shared),
    ...erasureRoutes({ ...shared }),
    ...auditRoutes({ ...shared, auditIndex }),
    ...(shared.evidence == null ? [] : tlogRoutes({ ...shared, auditIndex, evidence: shared.evidence })),
  ];
};
