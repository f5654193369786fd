import { oldestOf } from '../../api/operator/readiness.ts';
import type { Engine } from '../../engine.ts';
import type { Outbox } from '../../projections/reactions/runner.ts';
import type { Described, Sample } from './registry.ts';

/** What an engine says of itself when it is asked: its read models and what it owes the world. */
export const engineMetrics = ({ health, projections, outboxes }: Engine): Described[] => {
  const each = (samplesOf: (outbox: Outbox) => readonly Sample[]) => () => outboxes().flatMap(samplesOf);
  const gauge = (name: string, help: string, samples: Described['samples']): Described => ({
    ...{ name, help, samples },
    type: 'gauge',
    aggregator: 'max',
  });
  return [
    gauge('countersign_ready', 'Whether this node is to be given calls.', async () => [
      { value: (await health.readiness()).ready ? 1 : 0 },
    ]),
    gauge('countersign_projections_position', 'The position in the log that the read models have reached.', () => [
      { value: projections.position() },
    ]),
    // A store that does not answer says nothing of the lag: there is no sample then.
    gauge('countersign_projections_lag_positions', 'How far the read models are behind the log.', async () =>
      [await health.lag()].flatMap((seen) => (seen === null ? [] : { value: seen.positions })),
    ),
    gauge('countersign_projections_lag_seconds', 'The age of the oldest event that the read models have not seen.', async () =>
      [await health.lag()].flatMap((seen) => (seen === null ? [] : { value: seen.seconds })),
    ),
    gauge(
      'countersign_outbox_due',
      'Pieces of work that this process owes, by reaction.',
      each(({ reaction, due }) => [{ labels: { reaction }, value: due }]),
    ),
    gauge('countersign_outbox_oldest_seconds', 'For how long the oldest of them has been due.', () => [
      { value: oldestOf(outboxes()).seconds },
    ]),
    {
      name: 'countersign_outbox_attempts_total',
      help: 'Pieces of work that were done, or failed and are tried again, by reaction.',
      type: 'counter',
      samples: each(({ reaction, done, failed }) => [
        { labels: { reaction, outcome: 'done' }, value: done },
        { labels: { reaction, outcome: 'failed' }, value: failed },
      ]),
    },
  ];
};

/** Who waits at an engine. */
export const waitingMetric = ({ waiting }: Engine): Described => ({
  name: 'countersign_long_polls',
  help: 'Callers that wait for something to happen.',
  type: 'gauge',
  samples: () => [{ value: waiting() }],
});
