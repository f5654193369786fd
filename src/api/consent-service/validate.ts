import { LRUCache } from 'lru-cache';
import type { Observable } from 'rxjs';
import * as z from 'zod';
import { asOf, type ConsentStatus, consent, type LodgedConsent, stands } from '../../domain/consent/decider.ts';
import { receiptOf } from '../../domain/consent/receipt.ts';
import { accessRefusal, type ConsentParts } from '../../domain/consent/resource-access.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock } from '../../domain/ports/clock.ts';
import type { JwsReader } from '../../domain/ports/jws.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import type { Signer } from '../../domain/ports/signer.ts';
import { parseJson } from '../body.ts';
import { parse } from '../parse.ts';
import { json } from '../reply.ts';
import type { Call, Handler, Route, RouteDoc } from '../route.ts';
import { PATHS } from '../surface.ts';
import type { AuthenticatedClient } from '../tpp/client-auth.ts';
import type { UserOf } from '../user-of.ts';
import type { MakeResource } from './consent-resource.ts';
import { CONSENT_SCOPES, type Officer, refusedOfficer } from './officer.ts';
import type { ReadStory, Story } from './story.ts';

const JWT_TYPE = /^application\/jwt\s*(;|$)/i;

const claims = z.looseObject({
  headers: z.record(z.string(), z.unknown()).optional(),
  body: z.record(z.string(), z.unknown()).nullish(),
  electedResource: z.string().max(2048),
  consentId: z.string().max(256),
  userId: z.string().max(256),
  clientId: z.string().max(256),
  resourceParams: z.record(z.string(), z.unknown()).optional(),
});
type Claims = z.output<typeof claims>;

const doc: RouteDoc = {
  summary: 'Whether a call to a resource is under a consent; the body is a JWT (application/jwt)',
  security: 'operator',
  answers: {
    200: z.object({
      isValid: z.boolean(),
      errorCode: z.string().optional(),
      errorMessage: z.string().optional(),
      httpCode: z.int().optional(),
      consentInformation: z.string().describe('a JWT that the engine has signed: the consent as it stands; empty where there is none'),
    }),
  },
  errors: ['invalid_request', 'content_too_large', 'temporarily_unavailable'],
};

interface Deps {
  officer: Officer;
  readStory: ReadStory;
  resource: MakeResource;
  jws: JwsReader;
  signer: Signer;
  sealer: Sealer;
  clock: Clock;
  userOf: UserOf;
  /** Tells when something that could be opened no longer can. */
  gone: Observable<unknown>;
}

// What is told of a consent is the same until something happens to it: signing it costs more than the rest of the call. All is forgotten
// when a PSU is erased or the time of their data is over, and what has ended is not kept at all.
const TOLD_BYTES = 128 * 1024 * 1024;
const TOLD_MS = 300_000;

/** A consent as it is told: what was its last fact and its status when that was signed, and the keys that were published then. */
interface Told {
  last: string;
  status: ConsentStatus;
  keys: ReturnType<Signer['jwks']>;
  jwt: string;
  accountIds: readonly string[];
}

/**
 * `POST …/consent/validate`, for gateways: decided on the consent's stream as it stands at the moment of the call. A gateway that is
 * registered with keys must sign what it asks; one without is believed because it has authenticated itself (docs/decisions/0013).
 */
export const validateRoutes = ({ officer, readStory, resource, jws, signer, sealer, clock, userOf, gone }: Deps): Route[] => {
  const known = new LRUCache<string, Told>({ maxSize: TOLD_BYTES, sizeCalculation: ({ jwt }) => jwt.length, ttl: TOLD_MS });
  let timesGone = 0;
  gone.subscribe(() => {
    timesGone += 1;
    known.clear();
  });

  const toldOf = async (consentId: string, story: Story, state: LodgedConsent, at: number): Promise<Told> => {
    const last = story.at(-1)?.event.eventId ?? '';
    const current = asOf(state, at);
    const { status } = current;
    const keys = signer.jwks();
    const before = known.get(consentId);
    if (before?.last === last && before.status === status && before.keys === keys) return before;
    const openedAt = timesGone;
    const shown = resource(consentId, story, at);
    const accountIds = shown.consentMappingResources.flatMap((one) => (one.mappingStatus === 'active' ? [one.accountId] : []));
    const told = { last, status, keys, jwt: await signer.sign('ES256', 'JWT', shown), accountIds };
    if (openedAt === timesGone && stands(current)) known.set(consentId, told);
    return told;
  };

  const handle: Handler = async (call) => {
    const gateway = await officer.authenticated(call, CONSENT_SCOPES.validate);
    const about = parse(claims, await claimsIn(call, gateway, jws));
    const story = await readStory(about.consentId);
    const at = clock();
    const state = story.at(-1)?.after ?? consent.initial;
    // What is of another client is not told.
    const told = state.status !== 'absent' && state.clientId === about.clientId ? await toldOf(about.consentId, story, state, at) : null;
    const parts: ConsentParts = {
      accountIds: () => told?.accountIds ?? [],
      receipt: () => (state.status === 'absent' ? null : receiptOf(state, sealer)),
    };
    const asked = {
      consentId: about.consentId,
      clientId: about.clientId,
      psuId: userOf(about.userId),
      method: methodOf(about),
      path: pathOf(about),
      body: about.body ?? null,
      at,
    };
    const refusal = accessRefusal(state, asked, parts);
    const consentInformation = told?.jwt ?? '';
    return json(200, refusal === null ? { isValid: true, consentInformation } : { isValid: false, ...refusal, consentInformation });
  };

  return [{ method: 'POST', path: PATHS.consentValidate, doc, handle, refuse: refusedOfficer, hot: true }];
};

// At the start alone: further on it is what the TPP has written.
const BASE = /^(?:(?:\/open-banking)?\/v\d+(?:\.\d+)*)?\/(?:aisp|pisp|cbpii)(?=\/)/;

/** The path that was called, as far as the gateway tells it, below the base of the API. */
const pathOf = ({ electedResource, resourceParams }: Claims): string => {
  const called = resourceParams?.['ResourcePath'] ?? resourceParams?.['resource'];
  const path = typeof called === 'string' && called !== '' ? called : electedResource;
  return path.replace(/[?#].*$/s, '').replace(BASE, '');
};

const methodOf = ({ resourceParams }: Claims): string | null => {
  const method = resourceParams?.['httpMethod'];
  return typeof method === 'string' ? method : null;
};

const claimsIn = async (call: Call, { metadata, signed }: AuthenticatedClient, jws: JwsReader): Promise<unknown> => {
  if (!JWT_TYPE.test(call.headers['content-type'] ?? '')) throw new OAuthError('invalid_request', 'Content-Type must be application/jwt');
  const jwt = await call.text();
  if (metadata.jwks === null && metadata.jwks_uri === null) return payloadOf(jwt);
  const decoded = jws.decode(jwt);
  if (decoded === null || !(await signed(decoded))) throw new OAuthError('invalid_request', 'the JWT is not signed by the gateway');
  return decoded.claims;
};

const PARTS = /^[\w-]*\.([\w-]+)\.[\w-]*$/;

/** What a JWT says, whoever made it. */
const payloadOf = (jwt: string): unknown => {
  const [, payload = ''] = PARTS.exec(jwt) ?? [];
  try {
    return parseJson(Buffer.from(payload, 'base64url').toString());
  } catch (cause) {
    throw new OAuthError('invalid_request', 'the body is no JWT', { cause });
  }
};
