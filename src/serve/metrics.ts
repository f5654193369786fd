import type { Answered } from '../api/listener.ts';
import type { Shed } from '../api/shedding.ts';
import type { Engine, Ports } from '../engine.ts';
import { engineMetrics, waitingMetric } from './metrics/engine.ts';
import { evidenceMetrics } from './metrics/evidence.ts';
import { funnelMetrics } from './metrics/funnel.ts';
import { limitMetrics } from './metrics/limits.ts';
import { outgoingMetrics } from './metrics/outgoing.ts';
import { processMetrics } from './metrics/process.ts';
import { makeRegistry } from './metrics/registry.ts';
import { requestMetrics } from './metrics/requests.ts';
import { type Committed, storeMetrics } from './metrics/store.ts';
import { type Page, pagesOfWorkers } from './metrics/workers.ts';

// A worker says what it has counted this often.
const TELL_MS = 1000;

/** Everything that is measured in a process. Counting writes into memory; what it comes to is worked out when somebody asks. */
export interface Metrics {
  /** The same ports, counted. */
  observed(ports: Ports): Ports;
  onCommit: Committed;
  answered: Answered;
  onShed(shed: Shed): void;
  /** Looks at an engine, too, from here on. */
  watch(engine: Engine, ports?: Pick<Ports, 'onDuty' | 'evidence'>): void;
  /** As Prometheus reads it, with what workers have told. */
  render(): Promise<{ type: string; text: string }>;
  /** Tells the process that this one works for, again and again, what is counted where calls are answered. */
  tell(to: (page: Page) => Promise<unknown>): void;
  take(worker: number, page: Page): void;
  /** What a worker had counted that has ended stays in the sums. */
  bury(worker: number): void;
  close(): void;
}

/** Nothing measured yet. */
export const makeMetrics = (): Metrics => {
  // What every process that answers calls counts for itself; and what one counts for all: who writes the log, or the only one.
  const [each, one] = [makeRegistry(), makeRegistry()];
  const [requests, outgoing, process] = [requestMetrics(), outgoingMetrics(), processMetrics()];
  const [store, limits, funnel] = [storeMetrics(), limitMetrics(), funnelMetrics()];
  const workers = pagesOfWorkers();
  let timer: NodeJS.Timeout | undefined;
  for (const { metrics } of [requests, outgoing, process]) each.add(...metrics);
  for (const { metrics } of [store, limits, funnel]) one.add(...metrics);
  const page = async () => (await each.registry.getMetricsAsJSON()) as Page;
  return {
    observed: (ports) => ({
      ...ports,
      store: store.observed(ports.store),
      limits: limits.observed(ports.limits),
      pushSender: outgoing.pushes(ports.pushSender),
      outbound: outgoing.calls(ports.outbound),
    }),
    onCommit: store.onCommit,
    answered: requests.answered,
    onShed: requests.onShed,
    watch(engine, { onDuty, evidence = null } = {}) {
      each.add(waitingMetric(engine));
      one.add(...engineMetrics(engine), ...(evidence === null ? [] : evidenceMetrics(evidence)));
      funnel.follow(engine.projections.applied, onDuty);
    },
    async render() {
      const text = await Promise.all([workers.with(await page()), one.registry.metrics()]);
      return { type: one.registry.contentType, text: text.join('\n') };
    },
    tell(to) {
      // What could not be told now is told with the next page.
      const tellOnce = async () => to(await page()).catch(() => undefined);
      timer = setInterval(tellOnce, TELL_MS).unref();
    },
    take: workers.take,
    bury: workers.bury,
    close() {
      clearInterval(timer);
      process.close();
    },
  };
};
