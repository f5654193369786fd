import { type Authorisation, type Consent, consent, type LodgedConsent } from '../../domain/consent/decider.ts';
import { type ConsentEvents, consentEvents } from '../../domain/consent/events.ts';
import type { EventOf } from '../../domain/events.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { EventStore } from '../../domain/ports/event-store.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import type { Signer } from '../../domain/ports/signer.ts';
import type { OurAlg } from '../../domain/signing-key/decider.ts';
import { leafOf } from '../../evidence/leaf.ts';
import type { EvidenceLog } from '../../evidence/log.ts';
import { clientName } from '../../projections/client-lookup.ts';
import { json, type Reply } from '../reply.ts';
import type { Call } from '../route.ts';
import { receiptClaims } from './receipt-claims.ts';

export interface ReceiptDeps {
  store: EventStore;
  sealer: Sealer;
  signer: Signer;
  /** Where none is kept, receipts go without a proof. */
  evidence?: EvidenceLog | null;
  rows: Rows;
  clock: Clock;
  ids: Ids;
  issuer: string;
}

/** Whose receipt it is to be: which of those who have agreed, what for, and with which key it is signed. */
export interface ReceiptFor {
  audience: string;
  alg: OurAlg;
  given(state: LodgedConsent): Authorisation | null | undefined;
}

/** The receipt of a consent, or the refusal: what is not the caller's does not exist. */
export type MakeReceipt = (call: Call, consentId: string, receiver: ReceiptFor) => Promise<Reply>;

// A checkpoint that covers what was recorded just now is this far away at most, as a rule.
const PROOF_MS = 2000;

/**
 * Signs a receipt (`consent-receipt+jwt`) over the fact that an answer became the consent's, and adds the proof that this fact stands in the
 * evidence log. `Accept: application/jwt` has the receipt alone, `text/plain` the proof as a `.tlog-proof`.
 */
export const makeReceipts = ({ store, sealer, signer, evidence, rows, clock, ids, issuer }: ReceiptDeps): MakeReceipt => {
  /** The fact, and all that a receipt says of it. */
  const receipted = async (consentId: string, { given: agreed }: ReceiptFor) => {
    const stored = await store.read(`consent-${consentId}`);
    const events = stored.map(consentEvents.decode);
    const state = events.reduce<Consent>(consent.evolve, consent.initial);
    const given = state.status === 'absent' ? null : agreed(state);
    const event = events.filter(isAgreement).findLast(({ data }) => data.requestId === given?.requestId && data.psuId === given.psuId);
    const chosen = given && consentEvents.open(given.type, given.sealed, sealer);
    const fact = event && stored[event.revision];
    if (state.status === 'absent' || !given || !chosen || !fact) throw new OAuthError('not_found', 'there is no receipt of such a consent');
    return {
      position: fact.position,
      ...{ state, given, chosen, answer: event.data, clientName: clientName(rows, state.clientId) },
      fact: { eventId: fact.id, data: fact.data, leaf: leafOf(fact) },
    };
  };

  return async ({ headers: { accept = '' } }, consentId, receiver) => {
    const found = await receipted(consentId, receiver);
    const proof = JWT_FIRST.test(accept) ? null : ((await evidence?.receipt(found.position, PROOF_MS)) ?? null);
    if (TEXT_FIRST.test(accept)) return proofReply(proof, evidence != null);
    const at = clock();
    const envelope = { iss: issuer, aud: receiver.audience, iat: at, jti: ids.uuid() };
    const jwt = await signer.sign(receiver.alg, 'consent-receipt+jwt', { ...envelope, ...receiptClaims(consentId, found, { issuer, at }) });
    if (JWT_FIRST.test(accept)) return textReply('application/jwt', jwt);
    return json(200, { receipt: jwt, ...(proof !== null && { tlog_proof: proof }) });
  };
};

type ConsentEvent = EventOf<ConsentEvents>;

const isAgreement = (event: ConsentEvent): event is Extract<ConsentEvent, { type: Authorisation['type'] }> =>
  event.type === 'ConsentAuthorised' || event.type === 'ConsentAuthorisationGiven';

const TEXT_FIRST = /^\s*text\/plain\s*(?:[;,]|$)/i;
const JWT_FIRST = /^\s*application\/jwt\s*(?:[;,]|$)/i;

const proofReply = (proof: string | null, isKept: boolean): Reply => {
  if (proof !== null) return textReply('text/plain; charset=utf-8', proof);
  if (isKept) throw new OAuthError('temporarily_unavailable', 'no checkpoint covers the consent yet');
  throw new OAuthError('not_found', 'no evidence log is kept here');
};

const textReply = (type: string, body: string): Reply => ({
  status: 200,
  headers: { 'Content-Type': type, 'Cache-Control': 'no-store' },
  body,
});
