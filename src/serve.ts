import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as passed } from 'node:timers/promises';
import type { Logger } from 'pino';
import { systemClock } from './adapters/clock.ts';
import { UnusableModule } from './adapters/own-module.ts';
import { registrationFiles } from './adapters/registration-files.ts';
import type { Sandbox } from './adapters/sandbox.ts';
import { makeCertificateOf } from './adapters/tls/certificate-of.ts';
import { type Config, ConfigError } from './config.ts';
import { UnreadableEvent } from './domain/events.ts';
import { type Engine, type Ports, startEngine } from './engine.ts';
import type { CatchUp } from './projections/catch-up.ts';
import { ProjectionStopped } from './projections/runner.ts';
import { failureOf } from './serve/failed.ts';
import { listen, serversOf } from './serve/listeners.ts';
import { accessLog, logger } from './serve/logger.ts';
import { makeMetrics } from './serve/metrics.ts';
import { nothingOpened } from './serve/opened.ts';
import { operatorServer } from './serve/operator.ts';
import { openPorts } from './serve/ports.ts';
import { automatedApprover, registerSandboxClient } from './serve/sandbox.ts';
import { mtlsBaseOf, tlsOf } from './serve/tls.ts';
import { tracing } from './serve/tracing.ts';
import { answerWorkers, METRICS } from './serve/workers/answers.ts';
import type { Owner } from './serve/workers/link.ts';
import { startWorkers } from './serve/workers/owner.ts';

/** What a start is told besides its settings. */
interface Start {
  say(line: string): void;
  /** How far the read models have come, while they are behind and nothing is served. */
  onCatchUp?: ((progress: CatchUp) => void) | undefined;
  log?: Logger;
  instead?: Partial<Ports>;
  owner?: Owner;
}

/** An engine that serves both listeners. */
export interface Serving {
  engine: Engine;
  sandbox: Sandbox | null;
  caFile: string | null;
  /** Rejects when the engine cannot go on: its log or a projection has stopped, and not only for an event that a newer version can read. */
  failed: Promise<never>;
  close(): Promise<void>;
}

/**
 * Opens everything that the settings name, in order, and serves: by itself, as one of the workers of `owner`, or by workers of its own. `say`
 * gets what an operator should read at the start; `instead` stands in for ports of the settings, in this process.
 */
export const serve = async (config: Config, { say, onCatchUp, log = logger(config), instead = {}, owner }: Start): Promise<Serving> => {
  const opened = nothingOpened();
  try {
    const onFault = (what: string, error: unknown) => log.error({ what, err: error }, 'fault');
    const logAnswer = accessLog(log);
    const metrics = opened.keep(makeMetrics());
    let readiness: Engine['health']['readiness'] | undefined;
    const operator = nothingOpened();
    opened.atEnd(operator.closeAll);
    const onLocked = async () => {
      if (owner !== undefined || config.operator.port === 0) return;
      const server = operatorServer(
        metrics,
        async () => readiness?.(),
        (error) => onFault('operator', error),
      );
      await listen([[server, config.operator.port]], config.operator.host, operator);
    };
    const { ports, sandbox } = await openPorts(config, { opened, say, onFault, owner, onCommit: metrics.onCommit, onLocked });
    // Sooner than what it answers from.
    opened.atEnd(operator.closeAll);
    const tls = await tlsOf(config, join(config.dataDir, 'tls'));
    const observed = metrics.observed({ ...ports, ...instead });
    const { traced, around } = tracing();
    const engine = await startEngine(traced(observed), {
      ...{ config, onCatchUp, around, onShed: metrics.onShed },
      answered(...answer) {
        metrics.answered(...answer);
        logAnswer(...answer);
      },
      mtlsBase: mtlsBaseOf(config),
      registrationFiles: await registrationFiles(config.registration),
      sandbox: await automatedApprover(config, join(config.dataDir, 'sandbox')),
      certificateOf: makeCertificateOf({
        ...{ proxies: config.proxy, clientCas: tls.clientCas, clock: systemClock },
        onForged: (address) => log.warn({ address }, 'a header for client certificates came from no trusted proxy and was ignored'),
      }),
      onFault,
    });
    opened.atEnd(engine.stop);
    let listens = () => false;
    engine.health.readyWhile(() => listens());
    readiness = engine.health.readiness;
    metrics.watch(engine, observed);
    if (owner !== undefined) metrics.tell((page) => owner.ask(METRICS, [page]));
    if (sandbox !== null && owner === undefined) await registerSandboxClient(engine, sandbox);
    const leads = owner === undefined && config.server.workers > 1;
    const { projections } = engine;
    const answer = answerWorkers(metrics, observed.limits, engine.auditIndex);
    if (leads) {
      const workers = await startWorkers(config, { ...observed, projections, answer, onEnd: metrics.bury, onFault });
      opened.atEnd(workers.stop);
      listens = workers.listen;
    } else {
      await listen(serversOf(tls, engine.listener, config), config.server.host, opened);
      listens = () => true;
    }
    opened.atEnd(async () => {
      engine.beginStop();
      // Connections whose last answer has gone out are idle, and close with their server. Workers drain by themselves.
      await (leads ? nextTurn() : passed(config.operator.drainSeconds * 1000));
    });
    const failed = failureOf(engine, { ...ports, ...instead, log: owner === undefined ? log : null });
    return { engine, sandbox, caFile: tls.caFile, failed, close: opened.closeAll };
  } catch (error) {
    await opened.closeAll();
    if (error instanceof UnusableModule) throw new ConfigError([error.message]);
    throw error instanceof ProjectionStopped && error.cause instanceof UnreadableEvent ? error.cause : error;
  }
};
