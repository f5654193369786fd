import * as z from 'zod';
import type { PsuDirectory } from '../../domain/ports/psu-directory.ts';
import { requestOfSession } from '../../projections/device-lookup.ts';
import { findPending } from '../../projections/pending-requests.ts';
import { parseQuery } from '../body.ts';
import type { CallSignIn } from '../login.ts';
import { parse } from '../parse.ts';
import { json } from '../reply.ts';
import type { Handler, Route, RouteDoc } from '../route.ts';
import type { Bearer } from '../tpp/bearer.ts';
import type { UserOf } from '../user-of.ts';
import { answerRefusal, answerRefusalDoc, refused, statusRefusal, statusRefusalDoc } from './answer-words.ts';
import { type AuthenticateDeps, AuthResponse, authenticateHandler } from './authenticate.ts';
import { phoneDeviceRoutes } from './device-routes.ts';
import { discoveryDataRoutes } from './discovery-data.ts';
import { makePhoneEnrolment } from './enrolment.ts';
import { makePhoneKeys } from './phone-keys.ts';
import { makePhones } from './phones.ts';
import { makeEndReplacedPhones } from './replaced-phones.ts';
import { makeAdministrator, makeSignedIn } from './signed-in.ts';
import { inTenantForms } from './tenant-forms.ts';

interface Deps extends Omit<AuthenticateDeps, 'phoneKeys' | 'tenantDomain'> {
  signIn: CallSignIn;
  bearer: Bearer;
  directory: PsuDirectory;
  userOf: UserOf;
  issuer: string;
  expirySeconds: number;
  devicesPerPsu: number;
  settings: { tenantDomain: string; allowRsa1024: boolean };
}

/** The phone side of the reference's wire (C1 to C5): another dialect over the same devices, requests and consents. */
export const phoneRoutes = (deps: Deps): Route[] => {
  const { tenantDomain, allowRsa1024 } = deps.settings;
  const leastRsaBits = allowRsa1024 ? 1024 : 2048;
  const settled = { ...deps, tenantDomain, leastRsaBits, endReplacedPhones: makeEndReplacedPhones(deps) } as const;
  const common = {
    ...settled,
    phoneKeys: makePhoneKeys(settled),
    enrolment: makePhoneEnrolment(settled),
    phones: makePhones(settled),
    signedIn: makeSignedIn(deps),
    administrator: makeAdministrator(deps),
  };
  const authenticate = (path: string): Route => ({
    ...{ method: 'POST', path, doc: authenticateDoc, hot: true },
    ...{ handle: authenticateHandler(common), refuse: (refusal) => answerRefusal(refusal) },
  });
  return inTenantForms(
    [
      ...discoveryDataRoutes(common),
      ...phoneDeviceRoutes(common),
      authenticate('/api/openbanking/ciba/push-auth/authenticate'),
      authenticate('/push-auth/authenticate'),
      { method: 'GET', path: '/push-auth/check-status', doc: checkStatusDoc, handle: checkStatus(deps), refuse: statusRefusal },
    ],
    tenantDomain,
  );
};

const Session = z.object({ sessionDataKey: z.string().max(256).optional() });

/** Whether a request still waits: what a browser asks that stands beside the phone. */
const checkStatus =
  ({ readModels, clock }: Pick<Deps, 'readModels' | 'clock'>): Handler =>
  async (call) => {
    const { sessionDataKey } = parse(Session, parseQuery(call));
    if (!sessionDataKey) throw refused('no session to check');
    const requestId = await readModels.find((rows) => requestOfSession(rows, sessionDataKey));
    if (requestId === undefined) throw refused('unknown session');
    const pending = findPending(readModels.rows, requestId);
    return json(200, { status: pending !== undefined && pending.expires_at > clock() ? 'PENDING' : 'COMPLETED' });
  };

const authenticateDoc: RouteDoc = {
  summary: 'The answer of a phone of the reference (JWS, RS256): 202 in the older dialect, 200 in the newer one',
  security: 'none',
  json: AuthResponse,
  answers: { 200: null, 202: null },
  ...answerRefusalDoc,
};
const checkStatusDoc: RouteDoc = {
  summary: 'Whether a request still waits for its answer',
  security: 'none',
  query: Session,
  answers: { 200: z.object({ status: z.enum(['PENDING', 'COMPLETED']) }) },
  ...statusRefusalDoc,
};
