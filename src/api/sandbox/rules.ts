import * as z from 'zod';
import type { DetailTypes } from '../../domain/authorization-details/detail-type.ts';
import { cibaRequest, ofPsu } from '../../domain/ciba-request/decider.ts';
import type { Load } from '../../domain/decide.ts';
import type { Clock } from '../../domain/ports/clock.ts';
import type { PsuDirectory } from '../../domain/ports/psu-directory.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import { waitingSince } from '../../projections/pending-requests.ts';
import type { Reaction } from '../../projections/reactions/runner.ts';
import type { SandboxDevice } from './device.ts';

/** How the sandbox answers for one PSU, who is named by id or by a login_hint. */
const rule = z
  .strictObject({
    psu_id: z.string().min(1).optional(),
    login_hint: z.string().min(1).optional(),
    answer: z.enum(['approve', 'deny', 'never']),
    after_seconds: z.int().min(0).max(3600).default(0),
    /** Denies a payment whose amount, in whatever currency, is greater. */
    deny_above: z.number().positive().optional(),
  })
  .refine((given) => (given.psu_id === undefined) !== (given.login_hint === undefined), 'expected one of psu_id and login_hint');

/** The file of the rules: the first one that names a PSU counts. */
export const sandboxRules = z.strictObject({ rules: z.array(rule).max(100) });
export type SandboxRules = z.output<typeof sandboxRules>;

interface Deps {
  rows: Rows;
  load: Load;
  directory: PsuDirectory;
  detailTypes: DetailTypes;
  clock: Clock;
  deviceOf(psuId: string): Promise<SandboxDevice>;
}

/** Answers what waits by the rules, when their time has come. A rule that names nobody is an error. */
export const answerByRules = async ({ rules }: SandboxRules, deps: Deps): Promise<Reaction> => {
  const { rows, load, directory, detailTypes, clock, deviceOf } = deps;
  const byPsu = new Map<string, SandboxRules['rules'][number]>();
  for (const one of rules) {
    const psuId = one.psu_id ?? (await directory.findByHint(one.login_hint ?? ''));
    if (psuId === null || !(await directory.exists(psuId))) throw new Error('a rule of the sandbox names no PSU of the directory');
    if (!byPsu.has(psuId)) byPsu.set(psuId, one);
  }

  const act = async (requestId: string, psuId: string, { answer, deny_above: limit }: SandboxRules['rules'][number]) => {
    if (ofPsu(await load(cibaRequest, requestId), psuId).status !== 'pending') return;
    const device = await deviceOf(psuId);
    const denied = answer === 'deny' || (limit !== undefined && isAbove(limit, (await device.retrieve(requestId)).shown, detailTypes));
    await device.answer(requestId, denied ? 'denied' : 'approved');
  };

  return {
    name: 'sandbox answers',
    after: ['CibaRequestReceived'],
    due: (limit) =>
      [...byPsu].flatMap(([psuId, one]) =>
        one.answer === 'never'
          ? []
          : waitingSince(rows, psuId, clock(), one.after_seconds, limit).map((requestId) => ({
              key: requestId,
              act: () => act(requestId, psuId, one),
            })),
      ),
  };
};

const shownDetails = z.object({ authorization_details: z.array(z.looseObject({ type: z.string() })).nullable() });

/** Whether a payment in what was shown is above the limit. */
const isAbove = (limit: number, shown: string, types: DetailTypes): boolean =>
  (shownDetails.parse(JSON.parse(shown)).authorization_details ?? []).some(
    (entry) => (types.get(entry.type)?.amountOf?.(entry) ?? 0) > limit,
  );
