import type { IncomingMessage, RequestListener } from 'node:http';
import { makeApp } from './api/app.ts';
import { approverConsentRoutes } from './api/approver/consents.ts';
import { makeDeviceStatements, makeProven } from './api/approver/device-auth.ts';
import { deviceRoutes } from './api/approver/devices.ts';
import { enrolmentRoutes } from './api/approver/enrolments.ts';
import { requestRoutes } from './api/approver/requests.ts';
import { listener, makeServe } from './api/listener.ts';
import { readModels as makeReadModels, type ReadModels } from './api/read-models.ts';
import { formRoute, type Route } from './api/route.ts';
import { PATHS, type Surface } from './api/surface.ts';
import { backchannelAuthentication } from './api/tpp/backchannel-authentication.ts';
import { makeBearer } from './api/tpp/bearer.ts';
import { cibaGrant } from './api/tpp/ciba-grant.ts';
import { makeAuthenticateClient } from './api/tpp/client-auth.ts';
import { clientCredentialsGrant } from './api/tpp/client-credentials-grant.ts';
import { consentRoutes } from './api/tpp/consents.ts';
import { discoveryRoutes } from './api/tpp/discovery.ts';
import { introspection } from './api/tpp/introspection.ts';
import { pollPacing } from './api/tpp/poll-pacing.ts';
import { refreshTokenGrant } from './api/tpp/refresh-token-grant.ts';
import { makeReadRequestObject } from './api/tpp/request-object.ts';
import { revocation } from './api/tpp/revocation.ts';
import { tokenEndpoint } from './api/tpp/token.ts';
import { makeTokens } from './api/tpp/tokens.ts';
import type { Config } from './config.ts';
import type { ClientCertificate } from './domain/client/certificate.ts';
import { type Decide, type Load, makeDecide, makeLoad } from './domain/decide.ts';
import { makePersist } from './domain/persist.ts';
import type { Clock, Ids } from './domain/ports/clock.ts';
import type { EventStore } from './domain/ports/event-store.ts';
import type { JwsReader } from './domain/ports/jws.ts';
import type { Outbound } from './domain/ports/outbound.ts';
import type { PsuDirectory } from './domain/ports/psu-directory.ts';
import type { PushSender } from './domain/ports/push-sender.ts';
import type { ReplayGuard } from './domain/ports/replay-guard.ts';
import type { Rows } from './domain/ports/rows.ts';
import type { Sealer } from './domain/ports/sealer.ts';
import type { Signer } from './domain/ports/signer.ts';
import { projections } from './projections/all.ts';
import { cancelRequests, expireConsents, expireRequests, revokeGrants } from './projections/reactions/end-what-is-over.ts';
import { finishAnswers } from './projections/reactions/finish-answers.ts';
import { pushToDevice } from './projections/reactions/push-to-device.ts';
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
  projections: Projections;
  surface: Surface;
  /** Stops what the engine does by itself, then the projections. The ports stay open. */
  stop(): Promise<void>;
}

export interface EngineSettings {
  config: Pick<Config, 'issuer' | 'acrValuesSupported' | 'ciba' | 'tokens' | 'limits' | 'enrolment'>;
  mtlsBase: string;
  certificateOf(req: IncomingMessage): ClientCertificate | null;
  onFault(what: string, error: unknown): void;
  /** Epoch milliseconds, which the pace of polls is measured in; the system's if not given. */
  nowMs?: () => number;
}

/** Joins the domain, the projections and the API over the given ports; ready when every projection has caught up. */
export const startEngine = async (ports: Ports, { config, mtlsBase, certificateOf, onFault, nowMs }: EngineSettings): Promise<Engine> => {
  const { store, rows, sealer, signer, jws, replayGuard, clock, ids } = ports;
  const { issuer, acrValuesSupported, limits, enrolment } = config;
  const surface = { issuer, mtlsBase };
  const decide = makeDecide({ store, sealer, ids });
  const load = makeLoad(store);
  const persist = makePersist({ decide, load, sealer, ids });

  const running = runProjections(store, rows, projections, await store.head());
  await running.caughtUp;
  const reactions = runReactions({
    reactions: [
      pushToDevice({ ...ports, decide, load, sender: ports.pushSender }),
      finishAnswers({ rows, clock, persist }),
      expireRequests({ ...ports, decide }),
      expireConsents({ ...ports, decide }),
      cancelRequests({ ...ports, decide }),
      revokeGrants({ ...ports, decide }),
    ],
    applied: running.applied,
    onError: (reaction, error) => onFault(`reaction ${reaction}`, error),
  });

  const readModels = makeReadModels(store, rows, running);
  const authenticate = makeAuthenticateClient({ rows, jws, replayGuard, clock, ids, surface, assertionSeconds: limits.assertionSeconds });
  const tokens = makeTokens({ signer, ids, settings: { issuer, ...config.tokens } });
  const statements = makeDeviceStatements({ load, jws, clock });
  const common = {
    ...{ ...ports, decide, load, persist, readModels, authenticate, tokens, surface, issuer, statements, acrValuesSupported },
    bearer: makeBearer({ readModels, clock, ids }),
    proven: makeProven({ statements, replayGuard, clock, ids, issuer }),
  };
  const routes: readonly Route[] = [
    ...discoveryRoutes(common),
    formRoute(
      PATHS.backchannelAuthentication,
      backchannelAuthentication({
        ...common,
        readRequestObject: makeReadRequestObject({ ...common }),
        settings: { issuer, acrValuesSupported, ...config.ciba, ...limits },
      }),
    ),
    formRoute(
      PATHS.token,
      tokenEndpoint({
        authenticate,
        ciba: cibaGrant({ ...common, pacing: pollPacing(nowMs) }),
        clientCredentials: clientCredentialsGrant(common),
        refreshToken: refreshTokenGrant(common),
      }),
    ),
    formRoute(PATHS.introspection, introspection(common)),
    formRoute(PATHS.revocation, revocation(common)),
    ...consentRoutes(common),
    ...enrolmentRoutes({ ...common, expirySeconds: enrolment.expirySeconds, devicesPerPsu: limits.devicesPerPsu }),
    ...deviceRoutes(common),
    ...requestRoutes(common),
    ...approverConsentRoutes(common),
  ];
  const onRequestFault = (error: unknown) => onFault('request', error);
  const serve = makeServe({ certificateOf, bodyBytes: limits.bodyBytes, onFault: onRequestFault });

  return {
    listener: listener({ routes, app: makeApp(routes, { serve, onFault: onRequestFault }), serve }),
    decide,
    load,
    readModels,
    projections: running,
    surface,
    async stop() {
      await reactions.stop();
      running.stop();
    },
  };
};
