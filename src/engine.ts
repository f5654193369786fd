import type { IncomingMessage, RequestListener } from 'node:http';
import { of } from 'rxjs';
import { makeApp } from './api/app.ts';
import { docsRoutes } from './api/docs/routes.ts';
import { withNewNotifications } from './api/event-notifications/poll-events.ts';
import { listener, makeServe } from './api/listener.ts';
import { readModels as makeReadModels, type ReadModels } from './api/read-models.ts';
import type { RegistrationFiles } from './api/registration/routes.ts';
import type { Route } from './api/route.ts';
import { makeSandboxDevices, type SandboxKeys } from './api/sandbox/device.ts';
import { sandboxRoutes } from './api/sandbox/routes.ts';
import { answerByRules, type SandboxRules } from './api/sandbox/rules.ts';
import type { Surface } from './api/surface.ts';
import { longPolls } from './api/tpp/long-polls.ts';
import type { Config } from './config.ts';
import type { ClientCertificate } from './domain/client/certificate.ts';
import type { Decide, Load } from './domain/decide.ts';
import type { Actor } from './domain/ports/event-store.ts';
import type { KeyPolicy } from './domain/signing-key/decider.ts';
import { makeCore, makeIssuing } from './engine/core.ts';
import type { Ports } from './engine/ports.ts';
import { engineReactions } from './engine/reactions.ts';
import { apiRoutes } from './engine/routes.ts';
import { makeShared } from './engine/shared.ts';
import { projectionsOver } from './projections/all.ts';
import { startRotation } from './projections/reactions/rotate-signing-keys.ts';
import { type Reaction, runReactions } from './projections/reactions/runner.ts';
import { type Projections, runProjections } from './projections/runner.ts';

export type { Ports };

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
  config: Config;
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
export const startEngine = async (ports: Ports, settings: EngineSettings): Promise<Engine> => {
  const { store, rows, sealer, onDuty = of(true) } = ports;
  const { config, mtlsBase, sandbox, certificateOf, onFault } = settings;
  const { issuer, limits } = config;
  const surface = { issuer, mtlsBase };
  const core = makeCore(ports);

  const running = ports.following ?? runProjections(store, rows, projectionsOver(sealer), await store.head());
  await running.caughtUp;
  const rotation = await startRotation({
    ...core,
    projections: running,
    policy: keyPolicy(config),
    onFault: (error) => onFault('signing keys', error),
  });
  const run = (reactions: readonly Reaction[]) =>
    runReactions({ reactions, applied: running.applied, onDuty, onError: (reaction, error) => onFault(`reaction ${reaction}`, error) });
  const issuing = makeIssuing(core, config);
  const reactions = run([rotation.reaction, ...engineReactions(issuing, config)]);

  const shared = makeShared(issuing, { config, surface, readModels: makeReadModels(store, rows, running) });
  const polls = longPolls(withNewNotifications(running.applied), { most: limits.longPolls });
  const api = apiRoutes(shared, { ...settings, polls });
  const approver = sandbox && { rules: sandbox.rules, deviceOf: makeSandboxDevices({ ...shared, routes: api, keys: sandbox.keys }) };
  const served = approver === undefined ? api : [...api, ...sandboxRoutes({ ...shared, deviceOf: approver.deviceOf })];
  const routes = [...served, ...docsRoutes(served, surface)];
  const automatic = run(approver === undefined ? [] : [await answerByRules(approver.rules, { ...shared, ...approver })]);
  const onRequestFault = (error: unknown) => onFault('request', error);
  const serve = makeServe({ certificateOf, bodyBytes: limits.bodyBytes, onFault: onRequestFault });

  return {
    listener: listener({ routes, app: makeApp(routes, { serve, onFault: onRequestFault }), serve }),
    decide: core.decide,
    load: core.load,
    readModels: shared.readModels,
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
