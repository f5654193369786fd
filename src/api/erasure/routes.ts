import * as z from 'zod';
import type { Decide } from '../../domain/decide.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { PsuDirectory } from '../../domain/ports/psu-directory.ts';
import { erase, psu } from '../../domain/psu/decider.ts';
import { psuId as psuIdSchema } from '../../domain/psu/psu-id.ts';
import { isSeen } from '../../domain/showable.ts';
import { erasedPsu, isKnown } from '../../projections/psu-data.ts';
import { readJson } from '../body.ts';
import { makeOfficer, refusedOfficer } from '../consent-service/officer.ts';
import type { ReadModels } from '../read-models.ts';
import { json, type Reply } from '../reply.ts';
import type { Call, Handler, Route, RouteDoc } from '../route.ts';
import { PATHS } from '../surface.ts';
import type { Bearer } from '../tpp/bearer.ts';
import type { AuthenticateClient } from '../tpp/client-auth.ts';

/** The scope of clients that may have PSUs erased. The operator gives it; nobody registers itself for it. */
export const ERASURE_SCOPE = 'psus:erase';

/** Why a PSU is erased: it stays in the log for ever, in public. */
export const erasureReason = z
  .string()
  .min(1)
  .max(200)
  .refine(isSeen, 'holds characters that are not seen')
  .describe('stays in the log for ever: the number of a case, nothing personal');

const Erasure = z.strictObject({ reason: erasureReason });
const erasure = z.object({
  psu_id: z.string(),
  erased_at: z.int(),
  destroyed_at: z.int().nullable().describe('when the last key was destroyed; null until then'),
});
const security: Pick<RouteDoc, 'security' | 'errors'> = { security: 'operator', errors: ['invalid_request', 'not_found'] };
const erasedDoc: RouteDoc = { summary: 'What has become of the erasure of a PSU', ...security, answers: { 200: erasure } };
const eraseDoc: RouteDoc = {
  summary: 'Erase a PSU for ever: what lives of them ends, and nothing that was sealed for them can be opened any more',
  ...security,
  json: Erasure,
  answers: { 200: erasure, 202: erasure },
};

interface Deps {
  bearer: Bearer;
  authenticate: AuthenticateClient;
  decide: Decide;
  directory: PsuDirectory;
  readModels: ReadModels;
  clock: Clock;
  ids: Ids;
}

/** Erasing a PSU, by a client of the ASPSP. Again is once. */
export const erasureRoutes = (deps: Deps): Route[] => {
  const { decide, directory, readModels, clock, ids } = deps;
  const { rows } = readModels;
  const officer = makeOfficer(deps);
  const path = `${PATHS.admin}/psus/{psu_id}/erasure`;

  const eraseOne: Handler = async (call) => {
    const clientId = await officer.client(call, ERASURE_SCOPE);
    const { reason } = await readJson(call, Erasure);
    const psuId = psuIdIn(call);
    await readModels.latest();
    if (!isKnown(rows, psuId) && !(await directory.exists(psuId))) throw unknown();
    const actor = { kind: 'operator', id: clientId } as const;
    const command = { id: ids.uuid(), actor, correlationId: psuId, causationId: null };
    const { position } = await decide(psu, psuId, erase({ psuId, reason, at: clock() }), command);
    await readModels.reached(position);
    return told(psuId, 202);
  };

  /** What is not finished yet is told with the other status. */
  const told = (psuId: string, unfinished: 200 | 202): Reply => {
    const erased = erasedPsu(rows, psuId);
    if (erased === undefined) throw unknown();
    const body = { psu_id: psuId, erased_at: erased.erasedAt, destroyed_at: erased.destroyedAt };
    return json(erased.destroyedAt === null ? unfinished : 200, body);
  };

  return [
    { method: 'POST', path, doc: eraseDoc, handle: eraseOne, refuse: refusedOfficer },
    {
      ...{ method: 'GET', path, doc: erasedDoc, refuse: refusedOfficer },
      async handle(call) {
        await officer.client(call, ERASURE_SCOPE);
        await readModels.latest();
        return told(psuIdIn(call), 200);
      },
    },
  ];
};

const psuIdIn = ({ params }: Call): string => {
  const { data, success } = psuIdSchema.safeParse(params['psu_id']);
  if (!success) throw unknown();
  return data;
};

const unknown = () => new OAuthError('not_found', 'nothing is kept of this PSU');
