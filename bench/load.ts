// The load generator: a process of its own, which the runner tells what to do. See measure.ts for the way they talk.
import { Connection } from './connection.ts';
import { quantile } from './figures.ts';
import { answerRunner } from './measure.ts';
import { type NotificationEndpoint, openNotificationEndpoint } from './notification.ts';
import { ceremony } from './scenarios/ceremony.ts';
import { cibaRequest } from './scenarios/ciba-request.ts';
import { deviceLookup } from './scenarios/device-lookup.ts';
import { introspection } from './scenarios/introspection.ts';
import { pendingPoll } from './scenarios/pending-poll.ts';
import { ping } from './scenarios/ping.ts';
import type { MakeScenario, Scenario, Step } from './scenarios/scenario.ts';
import { validate } from './scenarios/validate.ts';
import type { ListeningTarget, MakeApprove, TppClients } from './target.ts';
import { makeTpp } from './tpp.ts';

const SCENARIOS = { cibaRequest, pendingPoll, introspection, ceremony, ping, validate, deviceLookup } satisfies Record<
  string,
  MakeScenario
>;

/** Asked first, as `prepare`: what this load is. */
export interface Job {
  scenario: keyof typeof SCENARIOS;
  client: keyof TppClients;
  outstanding: number;
  connections: number;
  target: ListeningTarget;
  notification: NotificationEndpoint | null;
  /** How many consents or devices the server was filled with. */
  filled: number;
}

/** Asked any number of times, as `run`: whichever ends first ends the window; what is under way then is still counted. */
export interface Window {
  seconds: number;
  operations?: number;
}

/** What a window came to. `busy` is the share of its own core that the load used: near 1 the load was the bottleneck. */
export interface Run {
  operations: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  outcomes: Record<string, number>;
  busy: number;
}

const PREPARATION_SECONDS = 900;

let current: { target: ListeningTarget; connections: number; scenario: Scenario } | null = null;

const prepare = async ({ scenario: name, client, outstanding, connections, target, notification, filled }: Job): Promise<void> => {
  const { makeApprove } = (await import(target.approval)) as { makeApprove: MakeApprove };
  const pinged =
    notification === null ? () => Promise.reject(new Error('no notification endpoint')) : await openNotificationEndpoint(notification);
  const scenario = SCENARIOS[name]({ tpp: makeTpp(target, client, filled), approve: makeApprove(target), outstanding, pinged });
  current = { target, connections, scenario };
  if (!scenario.prepare) return;
  const { times, step } = scenario.prepare;
  const { operations } = await drive(target, connections, step, { seconds: PREPARATION_SECONDS, operations: times });
  if (operations < times) throw new Error(`prepared ${operations} of ${times}`);
};

const run = async (window: Window): Promise<Run> => {
  if (!current) throw new Error('prepare comes first');
  return drive(current.target, current.connections, current.scenario.step, window);
};

/** Each connection does one step after another until the window ends. The first error ends them all. */
const drive = async ({ port, ca }: ListeningTarget, connections: number, step: Step, { seconds, operations }: Window): Promise<Run> => {
  const open = await Promise.all(Array.from({ length: connections }, () => Connection.open(port, ca)));
  const latencies: number[] = [];
  const outcomes: Record<string, number> = {};
  let left = operations ?? Number.POSITIVE_INFINITY;
  const cpuBefore = process.cpuUsage();
  const begin = performance.now();
  const end = begin + seconds * 1000;
  const work = async (connection: Connection): Promise<void> => {
    for (let now = begin; left > 0 && now < end; ) {
      left -= 1;
      const outcome = await step(connection);
      const after = performance.now();
      latencies.push(after - now);
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      now = after;
    }
  };
  try {
    await Promise.all(open.map(work));
  } finally {
    for (const connection of open) connection.close();
  }
  const elapsedMs = performance.now() - begin;
  const { user, system } = process.cpuUsage(cpuBefore);
  const sorted = Float64Array.from(latencies).sort();
  return {
    operations: sorted.length,
    perSecond: (sorted.length * 1000) / elapsedMs,
    p50Ms: quantile(sorted, 0.5),
    p99Ms: quantile(sorted, 0.99),
    outcomes,
    busy: (user + system) / 1000 / elapsedMs,
  };
};

answerRunner({ prepare, run });
console.log('ready');
