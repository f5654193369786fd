import { createServer, type Server } from 'node:http';
import { makeApp } from '../api/app.ts';
import { makeServe } from '../api/listener.ts';
import type { Readiness } from '../api/operator/readiness.ts';
import { healthRoutes, metricsRoute } from '../api/operator/routes.ts';
import type { Metrics } from './metrics.ts';

/** What is said of a node before there is an engine: it lives, and it is not ready. */
const STARTING: Readiness = { ready: false, checks: { started: { ok: false } } };

/** The listener of operators, on plain HTTP: it answers from the start of the process to its end, so that a long start is no death. */
export const operatorServer = (
  metrics: Metrics,
  readiness: () => Promise<Readiness | undefined>,
  onFault: (error: unknown) => void,
): Server => {
  const routes = [...healthRoutes(async () => (await readiness()) ?? STARTING), metricsRoute(metrics.render)];
  const serve = makeServe({ certificateOf: () => null, bodyBytes: 0, gate: () => null, answered: undefined, onFault });
  return createServer(makeApp(routes, { serve, onFault }));
};
