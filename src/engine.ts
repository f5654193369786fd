import type { IncomingMessage, RequestListener } from 'node:http';
import { of } from 'rxjs';
import { makeApp } from './api/app.ts';
import { docsRoutes } from './api/docs/routes.ts';
import { withNewNotifications } from './api/event-notifications/poll-events.ts';
import { type Answered, listener, makeServe, type Serve } from './api/listener.ts';
import { type Health, makeHealth } from './api/operator/readiness.ts';
import { healthRoutes } from './api/operator/routes.ts';
import { readModels as makeReadModels, type ReadModels } from './api/read-models.ts';
import type { RegistrationFiles } from './api/registration/routes.ts';
import type { Route } from './api/route.ts';
import { makeSandboxDevices, type SandboxKeys } from './api/sandbox/device.ts';
import { sandboxRoutes } from './api/sandbox/routes.ts';
import { answerByRules, type SandboxRules } from './api/sandbox/rules.ts';
import { makeGate, type Shed } from './api/shedding.ts';
import type { Surface } from './api/surface.ts';
import { longPolls } from './api/tpp/long-polls.ts';
import type { Config } from './config.ts';
import type { ClientCertificate } from './domain/client/certificate.ts';
import type { Decide, Load } from './domain/decide.ts';
import type { Actor } from './domain/ports/event-store.ts';
import type { KeyPolicy } from './domain/signing-key/decider.ts';
import { makeAuditIndex } from './engine/audit.ts';
import { makeCore, makeIssuing } from './engine/core.ts';
import type { Ports } from './engine/ports.ts';
import { engineReactions } from './engine/reactions.ts';
import { apiRoutes } from './engine/routes.ts';
import { makeShared } from './engine/shared.ts';
import { projectionsOver } from './projections/all.ts';
import type { AuditIndex } from './projections/audit-runner.ts';
import { type CatchUp, tellCatchUp } from './projections/catch-up.ts';
import { onceCaughtUp } from './projections/reactions/duty.ts';
import { erasePsus, forgetWhatIsGone, whenGone } from './projections/reactions/erasure.ts';
import { expireData } from './projections/reactions/expire-data.ts';
import { startRotation } from './projections/reactions/rotate-signing-keys.ts';
import { type Outbox, type Reaction, runReactions } from './projections/reactions/runner.ts';
import { type Projections, runProjections } from './projections/runner.ts';
import { nothingOpened, type Opened } from './serve/opened.ts';

export type { Ports };

/** A running engine, without its servers. */
export interface Engine {
  listener: RequestListener;
  decide: Decide;
  load: Load;
  readModels: ReadModels;
  auditIndex: AuditIndex;
  /** Everything that is served. */
  routes: readonly Route[];
  projections: Projections;
  surface: Surface;
  health: Health;
  /** How what the engine does by itself is getting on. */
  outboxes(): readonly Outbox[];
  /** How many callers wait for an answer now. */
  waiting(): number;
  /** Publishes the next signing keys now; they are used when everybody can have seen them. */
  rotateSigningKeys(actor: Actor): Promise<void>;
  /** Is not ready any more, answers at once those who wait for an approval, and lets nobody wait: for the time before the servers close. */
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
  /** Is told, before anything is served, how far the read models have come; nothing where that takes less than a second. */
  onCatchUp?: ((progress: CatchUp) => void) | undefined;
  /** Is told of every answer. */
  answered?: Answered;
  /** Stands around the serving of each request. */
  around?: (serve: Serve) => Serve;
  /** Is told of every call that was refused before any work, because the store or the read models could not have it. */
  onShed?: (shed: Shed) => void;
}

/**
 * Joins the domain, the projections and the API over the given ports; ready when every projection has caught up. Where it fails, nothing of it
 * goes on.
 */
export const startEngine = async (ports: Ports, settings: EngineSettings): Promise<Engine> => {
  const started = nothingOpened();
  try {
    return await join(ports, settings, started);
  } catch (error) {
    await started.closeAll();
    throw error;
  }
};

const join = async (ports: Ports, settings: EngineSettings, started: Opened): Promise<Engine> => {
  const { store, rows, sealer } = ports;
  const { config, mtlsBase, sandbox, certificateOf, onFault, onCatchUp } = settings;
  const { issuer, limits } = config;
  const surface = { issuer, mtlsBase };
  const core = makeCore(ports);

  const head = await store.head();
  const running = ports.following ?? runProjections(store, rows, projectionsOver(sealer), head);
  started.atEnd(running.stop);
  const auditIndex = makeAuditIndex(ports, { head, running, onFault, started });
  if (onCatchUp !== undefined) tellCatchUp(running, head, onCatchUp);
  await running.caughtUp;
  const rotation = await startRotation({
    ...core,
    projections: running,
    policy: keyPolicy(config),
    onFault: (error) => onFault('signing keys', error),
  });
  started.atEnd(rotation.stop);
  const readModels = makeReadModels(store, rows, running);
  started.atEnd(forgetWhatIsGone(running.applied, { ...core, onFault: (error) => onFault('erasure', error) }).stop);
  const onDuty = ports.onDuty === undefined ? of(true) : onceCaughtUp(ports.onDuty, readModels.latest);
  const onError = (reaction: string, error: unknown) => onFault(`reaction ${reaction}`, error);
  const run = (reactions: readonly Reaction[]) => {
    const reacting = runReactions({ reactions, applied: running.applied, onDuty, onError });
    started.atEnd(reacting.stop);
    return reacting;
  };
  const issuing = makeIssuing(core, config);
  const reactions = run([
    rotation.reaction,
    erasePsus({ ...issuing, latest: readModels.latest }),
    expireData({ ...core, latest: readModels.latest }, config.retention),
    ...engineReactions(issuing, config),
  ]);

  const shared = makeShared(issuing, { config, surface, readModels });
  const polls = longPolls(withNewNotifications(running.applied, rows), { most: limits.longPolls });
  const api = apiRoutes(shared, { ...settings, polls, auditIndex, gone: whenGone(running.applied) });
  const approver = sandbox && { rules: sandbox.rules, deviceOf: makeSandboxDevices({ ...shared, routes: api, keys: sandbox.keys }) };
  const sandboxed = approver === undefined ? [] : sandboxRoutes({ ...shared, deviceOf: approver.deviceOf });
  const outboxes = () => [...reactions.outboxes(), ...automatic.outboxes()];
  const { signer, evidence, takesWrites } = ports;
  const health = makeHealth({
    ...{ store, takesWrites, projections: running, signer, outboxes, evidence },
    settings: { ...config.operator, ...config.evidence },
  });
  started.atEnd(health.close);
  const served = [...api, ...sandboxed, ...healthRoutes(health.readiness)];
  const routes = [...served, ...docsRoutes(served, surface)];
  const automatic = run(approver === undefined ? [] : [await answerByRules(approver.rules, { ...shared, ...approver })]);
  const onRequestFault = (error: unknown) => onFault('request', error);
  const { answered, onShed, around = (serve) => serve } = settings;
  const gate = makeGate({ pressure: store.pressure, mayAnswer: health.mayAnswer, onShed });
  const serve = around(makeServe({ certificateOf, bodyBytes: limits.bodyBytes, gate, answered, onFault: onRequestFault }));

  return {
    listener: listener({ routes, app: makeApp(routes, { serve, onFault: onRequestFault }), serve }),
    decide: core.decide,
    load: core.load,
    readModels: shared.readModels,
    auditIndex,
    routes,
    projections: running,
    surface,
    health,
    outboxes,
    waiting: polls.waiting,
    rotateSigningKeys: rotation.rotate,
    beginStop() {
      health.beginStop();
      polls.stop();
    },
    stop: started.closeAll,
  };
};

/** When signing keys change, as the settings say. */
export const keyPolicy = ({ keys, tokens }: Pick<Config, 'keys' | 'tokens'>): KeyPolicy => ({
  rotationSeconds: keys.rotationDays * 86_400,
  leadSeconds: keys.publishLeadSeconds,
  tokenSeconds: Math.max(tokens.accessTokenSeconds, tokens.idTokenSeconds),
});
