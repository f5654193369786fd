import * as z from 'zod';
import { SUBJECT_KINDS, type SubjectKind } from '../../domain/audit/subjects.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import { findTerm, isKnown } from '../../projections/audit-search.ts';
import type { Call } from '../route.ts';
import type { Now } from './span.ts';

/** The subjects of the API, each with the first part of its paths. */
export const SUBJECTS: readonly { kind: SubjectKind; plural: string }[] = [
  { kind: 'consent', plural: 'consents' },
  { kind: 'request', plural: 'requests' },
  { kind: 'device', plural: 'devices' },
  { kind: 'psu', plural: 'psus' },
  { kind: 'client', plural: 'tpps' },
];

/** What was asked about, as an answer names it. */
export const subject = z.object({ kind: z.enum(SUBJECT_KINDS), id: z.string() });

/** A subject that the log knows, with its number in the index. */
export const subjectOf = (kind: SubjectKind, { id = '' }: Call['params'], { rows, head }: Now): { id: string; term: number } => {
  const term = findTerm(rows, kind, id);
  if (term === undefined || !isKnown(rows, term, head)) throw new OAuthError('not_found', `no such ${kind}`);
  return { id, term };
};
