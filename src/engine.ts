import type { IncomingMessage, RequestListener } from 'node:http';
import { makeApp } from './api/app.ts';
import { makeDeviceStatements, proveDevice } from './api/approver/device-auth.ts';
import { type Endpoint, listener } from './api/listener.ts';
import { readModels as makeReadModels, type ReadModels } from './api/read-models.ts';
import { PATHS, type Surface } from './api/surface.ts';
import { backchannelAuthentication } from './api/tpp/backchannel-authentication.ts';
import { makeBearer } from './api/tpp/bearer.ts';
import { cibaGrant } from './api/tpp/ciba-grant.ts';
import { makeAuthenticateClient } from './api/tpp/client-auth.ts';
import { clientCredentialsGrant } from './api/tpp/client-credentials-grant.ts';
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
  const common = { ...ports, decide, load, persist, readModels, authenticate, tokens, surface, issuer };
  const endpoints = new Map<string, Endpoint>([
    [
      PATHS.backchannelAuthentication,
      backchannelAuthentication({
        ...common,
        readRequestObject: makeReadRequestObject({ ...common }),
        settings: { issuer, acrValuesSupported, ...config.ciba, ...limits },
      }),
    ],
    [
      PATHS.token,
      tokenEndpoint({
        authenticate,
        ciba: cibaGrant({ ...common, pacing: pollPacing(nowMs) }),
        clientCredentials: clientCredentialsGrant(common),
        refreshToken: refreshTokenGrant(common),
      }),
    ],
    [PATHS.introspection, introspection(common)],
    [PATHS.revocation, revocation(common)],
  ]);
  const statements = makeDeviceStatements({ load, jws });
  const app = makeApp({
    ...common,
    acrValuesSupported,
    bearer: makeBearer({ ...common, certificateOf }),
    statements,
    proveDevice: proveDevice({ ...common, statements }),
    expirySeconds: enrolment.expirySeconds,
    devicesPerPsu: limits.devicesPerPsu,
    bodyBytes: limits.bodyBytes,
    onFault: (error) => onFault('request', error),
  });

  return {
    listener: listener({ endpoints, app, certificateOf, bodyBytes: limits.bodyBytes, onFault: (error) => onFault('request', error) }),
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
