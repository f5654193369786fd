import type { Answered } from '../../api/listener.ts';
import type { Route } from '../../api/route.ts';
import { SHED, type Shed } from '../../api/shedding.ts';
import { type Described, emptyCounts, emptyTally, type Tally } from './registry.ts';

// Seconds: from a poll out of memory to a sign-in that asks the ASPSP.
const BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

interface OfRoute {
  labels: { method: string; route: string };
  seconds: Tally;
  /** By status, then by the code of the refusal. */
  answers: Map<number, Map<string, number>>;
}

/** Counts answers by route and outcome. Routes are told by their templates: no path, no client and no person becomes a label. */
export const requestMetrics = (): { answered: Answered; onShed(shed: Shed): void; metrics: Described[] } => {
  const known = new WeakMap<Route, OfRoute>();
  const routes = new Map<string, OfRoute>();
  const shed = emptyCounts(...SHED);
  let waited = 0;

  const begin = (route: Route): OfRoute => {
    const { method, path } = route;
    const name = `${method} ${path}`;
    const fresh = routes.get(name) ?? { labels: { method, route: path }, seconds: emptyTally(BOUNDS), answers: new Map() };
    routes.set(name, fresh);
    known.set(route, fresh);
    return fresh;
  };

  const seconds = 'countersign_request_seconds';
  return {
    answered(route, _call, { status, error = '' }, taken) {
      const { answers, seconds } = known.get(route) ?? begin(route);
      const byError = answers.get(status) ?? new Map<string, number>();
      if (byError.size === 0) answers.set(status, byError);
      byError.set(error, (byError.get(error) ?? 0) + 1);
      if (taken.waited) waited += 1;
      else seconds.add(taken.ms / 1000);
    },
    onShed: shed.add,
    metrics: [
      {
        name: 'countersign_requests_total',
        help: 'Answers by route, method, class of status and code of refusal.',
        type: 'counter',
        samples: () =>
          [...routes.values()].flatMap(({ labels, answers }) =>
            [...byClass(answers)].map(([key, value]) => {
              const [status = '', error = ''] = key.split(' ');
              return { labels: { ...labels, status, error }, value };
            }),
          ),
      },
      {
        name: seconds,
        help: 'Time from the headers of a request to its answer, by route; without those that had asked to wait.',
        type: 'histogram',
        samples: () => [...routes.values()].flatMap((of) => of.seconds.samples(seconds, of.labels)),
      },
      {
        name: 'countersign_waited_total',
        help: 'Answers to callers that had asked to wait for something to happen.',
        type: 'counter',
        samples: () => [{ value: waited }],
      },
      {
        name: 'countersign_shed_total',
        help: 'Calls refused before any work, because the store had too much to do or the read models had stopped.',
        type: 'counter',
        samples: () => shed.samples('kind'),
      },
    ],
  };
};

const byClass = (answers: OfRoute['answers']): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>();
  for (const [status, byError] of answers)
    for (const [error, count] of byError) {
      const key = `${Math.floor(status / 100)}xx ${error}`;
      counts.set(key, (counts.get(key) ?? 0) + count);
    }
  return counts;
};
