import * as z from 'zod';
import type { OAuthErrorCode } from '../../domain/oauth-error.ts';
import { pushToken } from '../approver/bodies.ts';
import type { RouteDoc } from '../route.ts';
import { type DeviceWords, deviceRefusalDoc } from './device-words.ts';
import { phoneRegistration } from './enrolment.ts';

/** The refusals of each call, in the words of the reference. A device that is not there is told as each call tells it. */
export const WORDS = {
  register: { otherwise: 'PDM-10001', not_found: 'PDM-10001', gone: 'PDM-10001', conflict: 'PDM-10001', server_error: 'PDM-15011' },
  list: { otherwise: 'PDM-10002', not_found: 'PDM-10002', server_error: 'PDM-15008' },
  view: { otherwise: 'PDM-10002', not_found: 'PDM-10002', server_error: 'PDM-15007' },
  change: { otherwise: 'PDM-10005', not_found: 'PDM-10002', server_error: 'PDM-15010' },
  remove: { otherwise: 'PDM-10004', not_found: 'PDM-10004', server_error: 'PDM-15009' },
  removeByToken: { otherwise: 'PDM-10004', not_found: 'PDM-10004', invalid_token: 'PDM-15001', server_error: 'PDM-15009' },
} as const satisfies Record<string, DeviceWords>;

/** The body of a registration: the older dialect says `pushId`, the newer one `deviceToken`. */
export const OlderRegistration = phoneRegistration.extend({ pushId: pushToken });
export const NewerRegistration = phoneRegistration.extend({
  deviceToken: pushToken,
  provider: z.object({ name: z.string().regex(/^fcm$/i), metadata: z.unknown().optional() }).optional(),
});
const replace = <Path extends string>(path: Path, value: z.ZodString) =>
  z.object({ operation: z.literal('REPLACE'), path: z.literal(path), value });
export const Changes = z
  .array(z.discriminatedUnion('path', [replace('/device-name', phoneRegistration.shape.name), replace('/push-id', pushToken)]))
  .min(1)
  .max(2);
export const RemovalToken = z.object({ token: z.string().min(1).max(16_384) });

const listed = {
  deviceId: z.string(),
  name: z.string(),
  model: z.string(),
  registrationTime: z.iso.datetime(),
  lastUsedTime: z.iso.datetime().nullable(),
};
const byToken: readonly OAuthErrorCode[] = ['invalid_token', 'insufficient_scope', 'invalid_dpop_proof'];

const docOf = (
  summary: string,
  security: RouteDoc['security'],
  words: DeviceWords,
  errors: readonly OAuthErrorCode[],
  more: Partial<RouteDoc>,
): RouteDoc => ({ summary, security, answers: {}, ...more, ...deviceRefusalDoc(words, [...errors, 'not_found']) });

const AS_PSU = 'by user name and password, or an access token of theirs with the scope internal_login';

export const olderRegisterDoc = docOf('Registers a phone of the reference (C2)', 'none', WORDS.register, ['invalid_request'], {
  json: OlderRegistration,
  answers: { 201: null },
});
export const newerRegisterDoc = docOf('Registers a phone of the newer dialect (C5)', 'none', WORDS.register, ['invalid_request'], {
  json: NewerRegistration,
  answers: { 201: null },
});
export const listDoc = docOf(`The phones of a PSU, ${AS_PSU}`, 'psu', WORDS.list, byToken, { answers: { 200: z.array(z.object(listed)) } });
export const viewDoc = docOf(`One phone of a PSU, ${AS_PSU}`, 'psu', WORDS.view, byToken, {
  answers: { 200: z.object({ ...listed, pushId: z.string().nullable() }) },
});
export const newerViewDoc = docOf(`One phone of a PSU, ${AS_PSU}`, 'psu', WORDS.view, byToken, {
  answers: { 200: z.object({ ...listed, deviceToken: z.string().nullable() }) },
});
export const changeDoc = docOf(
  `Renames a phone, or replaces its push id, ${AS_PSU}`,
  'psu',
  WORDS.change,
  [...byToken, 'invalid_request'],
  {
    json: Changes,
    answers: { 200: null },
  },
);
export const removeDoc = docOf(`Removes a phone, ${AS_PSU}`, 'psu', WORDS.remove, byToken, { answers: { 204: null } });
export const removeByTokenDoc = docOf(
  'Removes a phone by a token that it has signed (RS256)',
  'none',
  WORDS.removeByToken,
  ['invalid_request', 'invalid_token'],
  { json: RemovalToken, answers: { 204: null } },
);

const asClient = (scope: string) => `by a client of the ASPSP with the scope ${scope}`;
export const adminListDoc = docOf(`The phones of a PSU, ${asClient('internal_push_device_list')}`, 'bearer', WORDS.list, byToken, {
  answers: listDoc.answers,
});
export const adminViewDoc = docOf(`One phone of a PSU, ${asClient('internal_push_device_view')}`, 'bearer', WORDS.view, byToken, {
  answers: viewDoc.answers,
});
export const adminRemoveDoc = docOf(`Removes a phone, ${asClient('internal_push_device_delete')}`, 'bearer', WORDS.remove, byToken, {
  answers: { 204: null },
});
