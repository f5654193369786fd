import { type Outbound, OutboundFailed, OutboundRefused } from '../../domain/ports/outbound.ts';
import type { PushSender } from '../../domain/ports/push-sender.ts';
import { type Described, emptyCounts, emptyTally } from './registry.ts';

// Seconds, up to the time that a call may take.
const BOUNDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Counts what goes out: pushes, and calls of TPPs and directories. The channel's and the host's own texts become no label. */
export const outgoingMetrics = (): {
  pushes(sender: PushSender): PushSender;
  calls(outbound: Outbound): Outbound;
  metrics: Described[];
} => {
  const [pushed, called] = [emptyCounts<string>('accepted'), emptyCounts<string>('2xx')];
  const [pushSeconds, callSeconds] = [emptyTally(BOUNDS), emptyTally(BOUNDS)];
  const timed = async <T>(tally: typeof pushSeconds, call: () => Promise<T>): Promise<T> => {
    const began = performance.now();
    try {
      return await call();
    } finally {
      tally.add((performance.now() - began) / 1000);
    }
  };
  return {
    pushes: (sender) => ({
      ...sender,
      async wake(wakeUp) {
        const sent = await timed(pushSeconds, () => sender.wake(wakeUp));
        pushed.add(sent.outcome);
        return sent;
      },
    }),
    calls: (outbound) => ({
      ...outbound,
      async fetch(request) {
        try {
          const response = await timed(callSeconds, () => outbound.fetch(request));
          called.add(`${Math.floor(response.status / 100)}xx`);
          return response;
        } catch (error) {
          called.add(error instanceof OutboundFailed || error instanceof OutboundRefused ? error.reason : 'fault');
          throw error;
        }
      },
    }),
    metrics: [
      {
        name: 'countersign_pushes_total',
        help: 'Attempts to wake a phone, by what the push service made of them.',
        type: 'counter',
        samples: () => pushed.samples('outcome'),
      },
      { name: PUSH_SECONDS, help: 'Time that the push service took.', type: 'histogram', samples: () => pushSeconds.samples(PUSH_SECONDS) },
      {
        name: 'countersign_outbound_calls_total',
        help: 'Calls of TPPs (pings, tokens, notifications, keys), by the class of the answer or why there was none.',
        type: 'counter',
        samples: () => called.samples('outcome'),
      },
      { name: CALL_SECONDS, help: 'Time that they took.', type: 'histogram', samples: () => callSeconds.samples(CALL_SECONDS) },
    ],
  };
};

const PUSH_SECONDS = 'countersign_push_seconds';
const CALL_SECONDS = 'countersign_outbound_seconds';
