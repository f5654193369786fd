import type { EvidenceLog } from '../../evidence/log.ts';
import type { Described } from './registry.ts';

/** What an evidence log says of itself when it is asked. */
export const evidenceMetrics = ({ state }: EvidenceLog): Described[] => {
  const gauge = (name: string, help: string, samples: Described['samples']): Described => ({ name, help, samples, type: 'gauge' });
  const age = (at: number) => (Date.now() - at) / 1000;
  const sinceOf = (at: number | null | undefined) => (at == null ? [] : [{ value: age(at) }]);
  return [
    gauge('countersign_evidence_fault', 'Whether the log is not what was published of it, so that nothing is signed any more.', () => [
      { value: state().fault === null ? 0 : 1 },
    ]),
    gauge('countersign_evidence_facts', 'Facts in the tree of the evidence log.', () => [{ value: state().size }]),
    gauge('countersign_evidence_checkpoint_facts', 'Facts that the newest checkpoint covers.', () => [
      { value: state().published?.size ?? 0 },
    ]),
    gauge('countersign_evidence_checkpoint_age_seconds', 'The age of the newest checkpoint.', () => sinceOf(state().published?.at)),
    gauge('countersign_evidence_uncovered_seconds', 'For how long facts were seen to wait for a checkpoint.', () =>
      sinceOf(state().uncoveredSince),
    ),
    gauge('countersign_evidence_unwitnessed_seconds', 'For how long a checkpoint has waited for its witnesses.', () =>
      sinceOf(state().unwitnessedSince),
    ),
    gauge('countersign_evidence_witnesses_against', 'Witnesses that have seen another log.', () => [
      { value: state().contradiction?.witnesses.length ?? 0 },
    ]),
    gauge('countersign_evidence_witness_age_seconds', 'For how long a witness has cosigned nothing.', () =>
      Object.entries(state().witnesses).map(([witness, at]) => ({ labels: { witness }, value: age(at) })),
    ),
  ];
};
