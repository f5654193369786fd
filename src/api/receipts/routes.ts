import * as z from 'zod';
import { SCOPES } from '../../domain/client/metadata.ts';
import type { OurAlg } from '../../domain/signing-key/decider.ts';
import { findClient } from '../../projections/client-lookup.ts';
import type { Proven } from '../approver/device-auth.ts';
import { refusalReply } from '../reply.ts';
import type { Route, RouteDoc } from '../route.ts';
import { PATHS } from '../surface.ts';
import { type Bearer, tokenRefusal } from '../tpp/bearer.ts';
import { makeReceipts, type ReceiptDeps } from './receipts.ts';

const DOC: Pick<RouteDoc, 'answers' | 'errors'> = {
  answers: { 200: z.object({ receipt: z.string(), tlog_proof: z.string().optional() }) },
  errors: ['not_found', 'temporarily_unavailable'],
};

const ALONE = 'With `Accept: application/jwt` without its proof, with `Accept: text/plain` the proof alone, as a .tlog-proof';

// What a receipt is signed with where its reader has named nothing.
const ALG: OurAlg = 'ES256';

/** Receipts of consents: for the TPP whose consent it is, and for each PSU who has agreed to it. */
export const receiptRoutes = (deps: ReceiptDeps & { bearer: Bearer; proven: Proven }): Route[] => {
  const { bearer, proven, rows } = deps;
  const receiptOf = makeReceipts(deps);
  const [scope, ...scopes] = SCOPES;
  return [
    {
      method: 'GET',
      path: `${PATHS.receipts}/consents/{consent_id}`,
      doc: {
        summary: `The receipt of a consent of the caller, once it is authorised. ${ALONE}`,
        security: 'bearer',
        ...DOC,
      },
      async handle(call) {
        const { clientId } = await bearer(call, scope, ...scopes);
        return receiptOf(call, call.params['consent_id'] ?? '', {
          audience: clientId,
          alg: findClient(rows, clientId)?.metadata.id_token_signed_response_alg ?? ALG,
          given: (state) => (state.clientId === clientId ? state.authorisation : null),
        });
      },
      refuse: (refusal, call) => tokenRefusal(refusal, call) ?? refusalReply(refusal),
    },
    {
      method: 'GET',
      path: `${PATHS.approver}/consents/{consent_id}/receipt`,
      doc: { summary: `The receipt of what the PSU has agreed to. ${ALONE}`, security: 'device', ...DOC },
      handle: proven((call, { psuId }) =>
        receiptOf(call, call.params['consent_id'] ?? '', {
          ...{ audience: psuId, alg: ALG },
          given: ({ authorisations }) => authorisations.find((given) => given.psuId === psuId),
        }),
      ),
    },
  ];
};
