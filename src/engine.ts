import type { IncomingMessage, RequestListener } from 'node:http';
import { makeApp } from './api/app.ts';
import { approverConsentRoutes } from './api/approver/consents.ts';
import { makeDeviceStatements, makeProven } from './api/approver/device-auth.ts';
import { deviceRoutes } from './api/approver/devices.ts';
import { enrolmentRoutes } from './api/approver/enrolments.ts';
import { requestRoutes } from './api/approver/requests.ts';
import { makeAccept } from './api/authorize/accept.ts';
import { makeFrontChannelIdToken } from './api/authorize/front-channel-id-token.ts';
import { makeReadAuthorizationObject } from './api/authorize/request-object.ts';
import { authorizeRoutes } from './api/authorize/routes.ts';
import { makeSignIn } from './api/authorize/sign-in.ts';
import { docsRoutes } from './api/docs/routes.ts';
import { listener, makeServe } from './api/listener.ts';
import { readModels as makeReadModels, type ReadModels } from './api/read-models.ts';
import { type RegistrationFiles, registrationRoutes } from './api/registration/routes.ts';
import { formRoute, type Route } from './api/route.ts';
import { makeSandboxDevices, type SandboxKeys } from './api/sandbox/device.ts';
import { sandboxRoutes } from './api/sandbox/routes.ts';
import { answerByRules, type SandboxRules } from './api/sandbox/rules.ts';
import { PATHS, type Surface } from './api/surface.ts';
import { makeCheckAssertion } from './api/tpp/assertion.ts';
import { authorizationCodeGrant } from './api/tpp/authorization-code-grant.ts';
import { makeAnswerUrl } from './api/tpp/authorization-response.ts';
import { backchannelAuthentication } from './api/tpp/backchannel-authentication.ts';
import { backchannelCancellation, backchannelCancellationDoc } from './api/tpp/backchannel-cancellation.ts';
import { makeBearer } from './api/tpp/bearer.ts';
import { cibaGrant } from './api/tpp/ciba-grant.ts';
import { makeAuthenticateClient } from './api/tpp/client-auth.ts';
import { clientCredentialsGrant } from './api/tpp/client-credentials-grant.ts';
import { makeClientKeys } from './api/tpp/client-keys.ts';
import { consentRoutes } from './api/tpp/consents.ts';
import { discoveryRoutes } from './api/tpp/discovery.ts';
import { makeDpop } from './api/tpp/dpop.ts';
import { introspection } from './api/tpp/introspection.ts';
import { makeIssueTokens } from './api/tpp/issue-tokens.ts';
import { jwtBearerGrant } from './api/tpp/jwt-bearer-grant.ts';
import { longPolls } from './api/tpp/long-polls.ts';
import { pollPacing } from './api/tpp/poll-pacing.ts';
import {
  backchannelAuthenticationDoc,
  introspectionDoc,
  pushedAuthorizationDoc,
  revocationDoc,
  tokenDoc,
} from './api/tpp/protocol-docs.ts';
import { makePsuOfHint } from './api/tpp/psu-of-hint.ts';
import { pushedAuthorization } from './api/tpp/pushed-authorization.ts';
import { makeOpenPushedGrant } from './api/tpp/pushed-grant.ts';
import { refreshTokenGrant } from './api/tpp/refresh-token-grant.ts';
import { makeReadRequestObject } from './api/tpp/request-object.ts';
import { revocation } from './api/tpp/revocation.ts';
import { tokenEndpoint } from './api/tpp/token.ts';
import { makeTokens } from './api/tpp/tokens.ts';
import { makeCheckUserCode } from './api/tpp/user-code.ts';
import { userinfoRoutes } from './api/tpp/userinfo.ts';
import type { Config } from './config.ts';
import { makePersistAuthorization } from './domain/authorization/persist.ts';
import { detailTypes } from './domain/authorization-details/registered.ts';
import type { ClientCertificate } from './domain/client/certificate.ts';
import { type Decide, type Load, makeDecide, makeLoad } from './domain/decide.ts';
import { makePersist } from './domain/persist.ts';
import type { Clock, Ids } from './domain/ports/clock.ts';
import type { Actor, EventStore } from './domain/ports/event-store.ts';
import type { JwsReader } from './domain/ports/jws.ts';
import type { Outbound } from './domain/ports/outbound.ts';
import type { PsuDirectory } from './domain/ports/psu-directory.ts';
import type { PushSender } from './domain/ports/push-sender.ts';
import type { ReplayGuard } from './domain/ports/replay-guard.ts';
import type { Rows } from './domain/ports/rows.ts';
import type { Sealer } from './domain/ports/sealer.ts';
import type { Signer } from './domain/ports/signer.ts';
import type { KeyPolicy } from './domain/signing-key/decider.ts';
import { projections } from './projections/all.ts';
import { cancelRequests, expireConsents, expireRequests, revokeGrants } from './projections/reactions/end-what-is-over.ts';
import { finishAnswers } from './projections/reactions/finish-answers.ts';
import { pingClient } from './projections/reactions/ping-client.ts';
import { pushToDevice } from './projections/reactions/push-to-device.ts';
import { pushTokens } from './projections/reactions/push-tokens.ts';
import { startRotation } from './projections/reactions/rotate-signing-keys.ts';
import { runReactions } from './projections/reactions/runner.ts';
import { type Projections, runProjections } from './projections/runner.ts';

/** What an engine stands on: one implementation of every port. */
export interface Ports {
  store: EventStore;
  rows: Rows;
  sealer: Sealer;
  signer: Signer;
  jws: JwsReader;
  replayGuard: ReplayGuard;
  directory: PsuDirectory;
  pushSender: PushSender;
  outbound: Outbound;
  clock: Clock;
  ids: Ids;
}

/** A running engine, without its servers. */
export interface Engine {
  listener: RequestListener;
  decide: Decide;
  load: Load;
  readModels: ReadModels;
  /** Everything that is served. */
  routes: readonly Route[];
  projections: Projections;
  surface: Surface;
  /** Publishes the next signing keys now; they are used when everybody can have seen them. */
  rotateSigningKeys(actor: Actor): Promise<void>;
  /** Answers at once those who wait for an approval, and lets nobody wait any more: for the time before the servers close. */
  beginStop(): void;
  /** Stops what the engine does by itself, then the projections. The ports stay open. */
  stop(): Promise<void>;
}

export interface EngineSettings {
  config: Pick<
    Config,
    'issuer' | 'authentication' | 'acrValuesSupported' | 'ciba' | 'tokens' | 'limits' | 'enrolment' | 'keys' | 'registration'
  >;
  mtlsBase: string;
  /** What the files of the registration settings hold; nothing if not given. */
  registrationFiles?: RegistrationFiles;
  /** Where the automated approver keeps its devices, and what it answers by itself. There is none if not given. */
  sandbox?: { keys: SandboxKeys; rules: SandboxRules } | undefined;
  certificateOf(req: IncomingMessage): ClientCertificate | null;
  onFault(what: string, error: unknown): void;
  /** Epoch milliseconds, which the pace of polls is measured in; the system's if not given. */
  nowMs?: () => number;
}

/** Joins the domain, the projections and the API over the given ports; ready when every projection has caught up. */
export const startEngine = async (
  ports: Ports,
  { config, mtlsBase, registrationFiles, sandbox, certificateOf, onFault, nowMs }: EngineSettings,
): Promise<Engine> => {
  const { store, rows, sealer, signer, jws, replayGuard, clock, ids } = ports;
  const { issuer, acrValuesSupported, limits, enrolment, registration } = config;
  const surface = { issuer, mtlsBase };
  const decide = makeDecide({ store, sealer, ids });
  const load = makeLoad(store);
  const persist = makePersist({ decide, load, sealer, ids });
  const persistAuthorization = makePersistAuthorization({ decide, load, sealer, ids });

  const running = runProjections(store, rows, projections, await store.head());
  await running.caughtUp;
  const rotation = await startRotation({
    ...{ ...ports, decide, projections: running },
    policy: keyPolicy(config),
    onFault: (error) => onFault('signing keys', error),
  });
  const tokens = makeTokens({ signer, ids, settings: { issuer, ...config.tokens } });
  const issueTokens = makeIssueTokens({ ...ports, decide, tokens });
  const notifying = { ...ports, decide, load };
  const reactions = runReactions({
    reactions: [
      rotation.reaction,
      ...(config.authentication.ciba.includes('push') ? [pushToDevice({ ...ports, decide, load, sender: ports.pushSender })] : []),
      // An answer is one of a CIBA request or of an authorization request: each finds nothing under the ids of the other.
      finishAnswers({ rows, clock, persist: (requestId) => Promise.all([persist(requestId), persistAuthorization(requestId)]) }),
      pingClient(notifying),
      pushTokens({ ...notifying, openPushedGrant: makeOpenPushedGrant({ ...notifying, issueTokens }) }),
      expireRequests({ ...ports, decide }),
      expireConsents({ ...ports, decide }),
      cancelRequests({ ...ports, decide }),
      revokeGrants({ ...ports, decide }),
    ],
    applied: running.applied,
    onError: (reaction, error) => onFault(`reaction ${reaction}`, error),
  });

  const readModels = makeReadModels(store, rows, running);
  const keys = makeClientKeys(ports);
  const checkAssertion = makeCheckAssertion({ ...ports, keys, surface, assertionSeconds: limits.assertionSeconds });
  const dpop = makeDpop({ ...ports, surface });
  const authenticate = makeAuthenticateClient({ rows, jws, keys, checkAssertion, dpop, ids });
  const statements = makeDeviceStatements({ load, jws, clock });
  const common = {
    ...{ ...ports, decide, load, persist, readModels, authenticate, tokens, surface, issuer, statements, acrValuesSupported, detailTypes },
    signIn: makeSignIn(ports),
    bearer: makeBearer({ readModels, clock, ids, dpop }),
    proven: makeProven({ statements, replayGuard, clock, ids, issuer }),
    registrationBase: registration.enabled ? (registration.requireCertificate ? mtlsBase : issuer) : null,
  };
  const redirecting = {
    ...{ ...common, persistAuthorization, steps: config.authentication.codeFlow },
    accept: makeAccept({ ...common, reachedAcrValues: config.authentication.codeFlowAcrValues }),
    readObject: makeReadAuthorizationObject({ ...common, keys }),
    answerUrl: makeAnswerUrl(common),
    frontChannelIdToken: makeFrontChannelIdToken({ ...common, ...config.tokens }),
  };
  const polls = longPolls(running.applied, { most: limits.longPolls });
  const api: readonly Route[] = [
    ...discoveryRoutes(common),
    formRoute(
      PATHS.backchannelAuthentication,
      backchannelAuthentication({
        ...common,
        readRequestObject: makeReadRequestObject({ ...common }),
        psuOfHint: makePsuOfHint(common),
        checkUserCode: makeCheckUserCode(common),
        settings: { acrValuesSupported, ...config.ciba, ...limits },
      }),
      backchannelAuthenticationDoc,
    ),
    formRoute(PATHS.backchannelCancellation, backchannelCancellation(common), backchannelCancellationDoc),
    formRoute(
      PATHS.token,
      tokenEndpoint({
        authenticate,
        ciba: cibaGrant({
          ...{ ...common, issueTokens, pacing: pollPacing(nowMs) },
          longPolls: polls,
          longPollSeconds: config.ciba.longPollSeconds,
        }),
        authorizationCode: authorizationCodeGrant(common),
        clientCredentials: clientCredentialsGrant(common),
        refreshToken: refreshTokenGrant(common),
        jwtBearer: jwtBearerGrant({ ...common, checkAssertion, clientCredentials: clientCredentialsGrant(common) }),
      }),
      tokenDoc,
    ),
    formRoute(PATHS.introspection, introspection(common), introspectionDoc),
    formRoute(PATHS.revocation, revocation(common), revocationDoc),
    formRoute(PATHS.pushedAuthorization, pushedAuthorization(redirecting), pushedAuthorizationDoc),
    ...authorizeRoutes(redirecting),
    ...userinfoRoutes(common),
    ...registrationRoutes({ ...common, clientKeys: keys, settings: registration, files: registrationFiles }),
    ...consentRoutes(common),
    ...enrolmentRoutes({ ...common, expirySeconds: enrolment.expirySeconds, devicesPerPsu: limits.devicesPerPsu }),
    ...deviceRoutes(common),
    ...requestRoutes(common),
    ...approverConsentRoutes(common),
  ];
  const approver = sandbox && { rules: sandbox.rules, deviceOf: makeSandboxDevices({ ...common, routes: api, keys: sandbox.keys }) };
  const served = approver === undefined ? api : [...api, ...sandboxRoutes({ ...common, deviceOf: approver.deviceOf })];
  const routes = [...served, ...docsRoutes(served, surface)];
  const automatic = runReactions({
    reactions: approver === undefined ? [] : [await answerByRules(approver.rules, { ...common, ...approver })],
    applied: running.applied,
    onError: (reaction, error) => onFault(`reaction ${reaction}`, error),
  });
  const onRequestFault = (error: unknown) => onFault('request', error);
  const serve = makeServe({ certificateOf, bodyBytes: limits.bodyBytes, onFault: onRequestFault });

  return {
    listener: listener({ routes, app: makeApp(routes, { serve, onFault: onRequestFault }), serve }),
    decide,
    load,
    readModels,
    routes,
    projections: running,
    surface,
    rotateSigningKeys: rotation.rotate,
    beginStop: polls.stop,
    async stop() {
      await automatic.stop();
      await reactions.stop();
      rotation.stop();
      running.stop();
    },
  };
};

/** When signing keys change, as the settings say. */
export const keyPolicy = ({ keys, tokens }: Pick<Config, 'keys' | 'tokens'>): KeyPolicy => ({
  rotationSeconds: keys.rotationDays * 86_400,
  leadSeconds: keys.publishLeadSeconds,
  tokenSeconds: Math.max(tokens.accessTokenSeconds, tokens.idTokenSeconds),
});
