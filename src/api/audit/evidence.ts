import * as z from 'zod';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock } from '../../domain/ports/clock.ts';
import type { EvidenceLog, Published } from '../../evidence/log.ts';
import { consistencyProof } from '../../evidence/tree.ts';
import type { AuditIndex } from '../../projections/audit-runner.ts';
import { findStreams, lastUpTo } from '../../projections/audit-search.ts';
import { json, type Reply, streamed } from '../reply.ts';
import type { Route } from '../route.ts';
import type { MakeReading } from './auditor.ts';
import { type Bundles, behind, COVERED_WITHIN_MS, keptSizes, size } from './bundles.ts';
import { moment, positionOf } from './span.ts';
import { subjectOf } from './subject.ts';

interface Deps {
  reading: MakeReading;
  bundles: Bundles;
  auditIndex: AuditIndex;
  evidence: EvidenceLog;
  clock: Clock;
}

const TEXT = 'text/plain';
const JSON_LINES = 'application/jsonl';
const text = (body: string): Reply => ({
  status: 200,
  headers: { 'Content-Type': `${TEXT}; charset=utf-8`, 'Cache-Control': 'no-store' },
  body,
});

/** What needs no trust: the evidence of a consent, checkpoints, and what proves that the log has kept them. */
export const evidenceRoutes = ({ reading, bundles, auditIndex: { rows }, evidence, clock }: Deps): Route[] => [
  reading({
    path: '/consents/{id}/evidence',
    summary: 'The evidence of one consent as one file: its facts, those of who took part in it, and the proof of each',
    query: { kept: keptSizes },
    answers: { 200: JSON_LINES },
    errors: ['not_found'],
    async answer({ query: { kept }, params, head }) {
      const { id, term } = subjectOf('consent', params, { rows, head, at: clock() });
      const streams = findStreams(rows, term, { after: 0, until: head, limit: Number.MAX_SAFE_INTEGER }).map(({ stream }) => stream);
      return streamed(JSON_LINES, await bundles.ofConsent(id, { streams, head, kept }));
    },
  }),
  reading({
    path: '/checkpoint',
    summary: 'The newest checkpoint of the evidence log that its witnesses have cosigned; without one the newest',
    query: {},
    answers: { 200: TEXT },
    errors: ['not_found'],
    answer: async () => text(((await evidence.cosigned()) ?? (await newest(evidence))).note),
  }),
  reading({
    path: '/proofs/inclusion',
    summary: 'The proof that a fact is in the log (C2SP tlog-proof)',
    query: { position: moment.describe('of the fact') },
    answers: { 200: TEXT },
    errors: ['not_found'],
    async answer({ query, head }) {
      const position = positionOf(query.position, { rows, head, at: clock() });
      if (position === 0 || lastUpTo(rows, position) !== position) throw new OAuthError('not_found', 'there is no such fact');
      const receipt = await evidence.receipt(position, COVERED_WITHIN_MS);
      if (receipt === null) throw behind();
      return text(receipt);
    },
  }),
  reading({
    path: '/proofs/consistency',
    summary: 'The proof that the log begins with all that it held at a former size (RFC 6962, section 2.1.2)',
    query: {
      from: size,
      to: size
        .optional()
        .describe(
          'if it is not given, the size of the newest cosigned checkpoint; of the newest, where that is older than `from` or there is none',
        ),
    },
    answers: { 200: z.object({ from: z.int(), to: z.int(), proof: z.array(z.string()) }) },
    errors: ['not_found'],
    async answer({ query: { from, to: given } }) {
      const [published, cosigned] = [await newest(evidence), await evidence.cosigned()];
      // Witnesses may not have come as far yet as what the auditor has kept.
      const to = given ?? (cosigned !== null && from <= cosigned.size ? cosigned : published).size;
      if (from > to || to > published.size) throw new OAuthError('invalid_request', 'the log was never of that size');
      return json(200, { from, to, proof: consistencyProof(from, to, evidence.hashAt).map((hash) => hash.toString('base64')) });
    },
  }),
];

const newest = async (evidence: EvidenceLog): Promise<Published> => {
  const published = await evidence.checkpoint();
  if (published === null) throw new OAuthError('not_found', 'there is no checkpoint yet');
  return published;
};
