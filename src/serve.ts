import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Logger } from 'pino';
import { systemClock } from './adapters/clock.ts';
import { UnusableModule } from './adapters/own-module.ts';
import { registrationFiles } from './adapters/registration-files.ts';
import type { Sandbox } from './adapters/sandbox.ts';
import { makeCertificateOf } from './adapters/tls/certificate-of.ts';
import { type Config, ConfigError } from './config.ts';
import { type Engine, type Ports, startEngine } from './engine.ts';
import { listening, serversOf } from './serve/listeners.ts';
import { logger } from './serve/logger.ts';
import { nothingOpened } from './serve/opened.ts';
import { openPorts } from './serve/ports.ts';
import { automatedApprover, registerSandboxClient } from './serve/sandbox.ts';
import { mtlsBaseOf, tlsOf } from './serve/tls.ts';

/** An engine that serves both listeners. */
export interface Serving {
  engine: Engine;
  sandbox: Sandbox | null;
  caFile: string | null;
  /** Rejects when the engine cannot go on: its log or a projection has stopped. */
  failed: Promise<never>;
  close(): Promise<void>;
}

/**
 * Opens everything that the settings name, in order, and serves. `say` gets what an operator should read at the start; `instead` stands in
 * for ports of the settings.
 */
export const serve = async (
  config: Config,
  { say, log = logger(config), instead = {} }: { say(line: string): void; log?: Logger; instead?: Partial<Ports> },
): Promise<Serving> => {
  const opened = nothingOpened();
  try {
    const onFault = (what: string, error: unknown) => log.error({ what, err: error }, 'fault');
    const { ports, sandbox } = await openPorts(config, { opened, say, onFault });
    const tls = await tlsOf(config, join(config.dataDir, 'tls'));
    const engine = await startEngine(
      { ...ports, ...instead },
      {
        config,
        mtlsBase: mtlsBaseOf(config),
        registrationFiles: await registrationFiles(config.registration),
        sandbox: await automatedApprover(config, join(config.dataDir, 'sandbox')),
        certificateOf: makeCertificateOf({
          ...{ proxies: config.proxy, clientCas: tls.clientCas, clock: systemClock },
          onForged: (address) => log.warn({ address }, 'a header for client certificates came from no trusted proxy and was ignored'),
        }),
        onFault,
      },
    );
    opened.atEnd(engine.stop);
    if (sandbox !== null) await registerSandboxClient(engine, sandbox);
    for (const [server, port] of serversOf(tls, engine.listener, config)) opened.atEnd(await listening(server, port, config.server.host));
    opened.atEnd(async () => {
      engine.beginStop();
      // Connections whose last answer has gone out are idle, and close with their server.
      await nextTurn();
    });
    const failed = new Promise<never>((_, reject) => engine.projections.applied.subscribe({ error: reject }));
    failed.catch(() => undefined);
    return { engine, sandbox, caFile: tls.caFile, failed, close: opened.closeAll };
  } catch (error) {
    await opened.closeAll();
    if (error instanceof UnusableModule) throw new ConfigError([error.message]);
    throw error;
  }
};
