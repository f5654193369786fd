import * as z from 'zod';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Ids } from '../../domain/ports/clock.ts';
import type { PsuDirectory, PsuName } from '../../domain/ports/psu-directory.ts';
import { json, refusalReply } from '../reply.ts';
import type { Route, RouteDoc } from '../route.ts';
import { tokenRefusal } from '../tpp/bearer.ts';
import { type DeviceWords, deviceRefusalDoc, makeDeviceRefuse } from './device-words.ts';
import type { PhoneEnrolment } from './enrolment.ts';
import type { SignedIn } from './signed-in.ts';

const OB = '/api/openbanking/ciba/push-auth';
const ME = '/api/users/v1/me';

interface Deps {
  enrolment: PhoneEnrolment;
  signedIn: SignedIn;
  directory: PsuDirectory;
  ids: Ids;
  issuer: string;
  tenantDomain: string;
}

/** What the QR code says with which a PSU enrols a phone of the reference (C1), and of its newer dialect (C5): good for one phone. */
export const discoveryDataRoutes = ({ enrolment, signedIn, directory, ids, issuer, tenantDomain }: Deps): Route[] => {
  const offered = async (call: Parameters<Route['handle']>[0]) => {
    const psuId = await signedIn(call);
    const name = await directory.nameOf(psuId);
    if (name === null) throw new OAuthError('not_found', 'there is no such PSU');
    return { name, ...(await enrolment.offer(psuId)) };
  };
  const older = ({ name, deviceId, challenge }: { name: PsuName; deviceId: string; challenge: string }, answerPath: string) => ({
    did: deviceId,
    un: name.username,
    ...(name.givenName !== null && { fn: name.givenName }),
    ...(name.familyName !== null && { ln: name.familyName }),
    ...{ td: tenantDomain, hst: issuer, bp: `/t/${tenantDomain}${ME}` },
    ...{ re: '/push-auth/devices', ae: answerPath, rde: '/push-auth/devices/remove', chg: challenge },
  });
  const refuse = makeDeviceRefuse(REFUSED, ids);

  return [
    {
      method: 'GET',
      path: `${OB}/discovery-data`,
      doc: openBankingDoc,
      handle: async (call) => json(202, older(await offered(call), `${OB}/authenticate`)),
      refuse: (refusal, call) => tokenRefusal(refusal, call) ?? refusalReply(refusal),
    },
    {
      method: 'GET',
      path: `${ME}/push-auth/discovery-data`,
      doc: ownDoc,
      handle: async (call) => json(200, older(await offered(call), '/push-auth/authenticate')),
      refuse,
    },
    {
      method: 'GET',
      path: `${ME}/push/discovery-data`,
      doc: newerDoc,
      async handle(call) {
        const { name, deviceId, challenge } = await offered(call);
        const organization = { organizationId: tenantDomain, organizationName: tenantDomain };
        return json(200, { deviceId, username: name.username, host: issuer, tenantDomain, ...organization, challenge });
      },
      refuse,
    },
  ];
};

const text = z.string();
const olderData = z.object({
  ...{ did: z.uuid(), un: text, fn: text.optional(), ln: text.optional(), td: text, hst: text },
  ...{ bp: text, re: text, ae: text, rde: text, chg: z.uuid() },
});
const newerData = z.object({
  ...{ deviceId: z.uuid(), username: text, host: text, tenantDomain: text, organizationId: text, organizationName: text },
  challenge: z.uuid(),
});

const REFUSED: DeviceWords = { otherwise: 'PDM-10001', server_error: 'PDM-15005' };
const common = {
  summary: 'Offers a PSU one-time discovery data for a phone of the reference: what its QR code says',
  security: 'psu',
  errors: ['invalid_token', 'insufficient_scope', 'invalid_dpop_proof', 'not_found', 'conflict'],
} as const satisfies Partial<RouteDoc>;
const openBankingDoc: RouteDoc = { ...common, answers: { 202: olderData }, refusal: { status: { invalid_dpop_proof: 401 } } };
const ownDoc: RouteDoc = { ...common, answers: { 200: olderData }, ...deviceRefusalDoc(REFUSED, common.errors) };
const newerDoc: RouteDoc = { ...ownDoc, answers: { 200: newerData } };
