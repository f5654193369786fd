import * as z from 'zod';
import { MAX_FILE_BYTES } from '../../../domain/consent/decider.ts';
import { OAuthError } from '../../../domain/oauth-error.ts';
import { json, noContent } from '../../reply.ts';
import type { Call, Handler, Route, RouteDoc } from '../../route.ts';
import type { IntentType } from './intent-types.ts';
import type { Intents, Owner } from './intents.ts';
import { errorBody, REFUSAL_STATUS, refusedIntent, representationSchema, withInteractionId } from './representation.ts';

/** How the consents of one type are served: to their TPP, or to who calls in its place. */
export interface Serving {
  type: IntentType;
  intents: Intents;
  path: string;
  filePath: string;
  security: RouteDoc['security'];
  headers: z.ZodObject;
  /** Whose consents they are, for the documentation. */
  whose: string;
  /** For whom a call comes, or the refusal. */
  owner(call: Call): Promise<Owner>;
  /** The PSUs whom a call names that lodges a consent, with the header for it. */
  authorisers?: { of(call: Call): Promise<readonly string[]>; headers: z.ZodRawShape };
  /** Whether consents can be given new terms. */
  amends?: boolean;
}

const idempotencyKey = z.string().regex(/^[\x21-\x7e]([\x20-\x7e]{0,38}[\x21-\x7e])?$/);
const KEY_HEADER = {
  required: { 'x-idempotency-key': idempotencyKey.describe('the same request with the same key is lodged once within 24 hours') },
  optional: { 'x-idempotency-key': idempotencyKey.optional() },
  ignored: {},
};
const FILE_TYPE = 'application/octet-stream';
const ERRORS = ['invalid_request', 'temporarily_unavailable'] as const;
const BODY_ERRORS = [...ERRORS, 'content_too_large'] as const;

/** The routes of one type of consents. */
export const serveIntents = ({ type, intents, path, filePath, security, headers, whose, owner, authorisers, amends }: Serving): Route[] => {
  const one = `${path}/{consent_id}`;
  const named = `one of the ${type.name} of ${whose}`;

  const route = (
    method: Route['method'],
    at: string,
    doc: Pick<RouteDoc, 'summary' | 'answers'> & Partial<RouteDoc>,
    handle: Handler,
  ): Route => ({
    ...{ method, path: at, refuse: refusedIntent },
    doc: { security, headers, errors: ERRORS, refusal: { schema: errorBody, status: REFUSAL_STATUS }, ...doc },
    handle: withInteractionId(handle),
  });

  const lodging = route(
    'POST',
    path,
    {
      summary: `Lodges ${named}`,
      headers: headers.extend({ ...KEY_HEADER[type.idempotencyKey], ...authorisers?.headers }),
      json: type.request,
      answers: { 201: representationSchema },
      errors: BODY_ERRORS,
    },
    async (call) => {
      // The body is read only once the caller has shown a token for it.
      const by = { ...(await owner(call)), authorisers: (await authorisers?.of(call)) ?? [] };
      const key = idempotencyKeyOf(call, type);
      return json(201, await intents.lodgeIntent(by, await type.read(call), key));
    },
  );
  const reading = route('GET', one, { summary: `Reads ${named}`, answers: { 200: representationSchema } }, async (call) =>
    json(200, await intents.readIntent(await owner(call), idOf(call))),
  );
  const amending = route(
    'PUT',
    one,
    {
      summary: `Amends ${named}: its PSUs are asked anew`,
      json: type.request,
      answers: { 200: representationSchema },
      errors: [...BODY_ERRORS, 'conflict'],
    },
    async (call) => {
      const by = await owner(call);
      return json(200, await intents.amendIntent(by, idOf(call), await type.read(call)));
    },
  );
  const deleting = route('DELETE', one, { summary: `Ends ${named}`, answers: { 204: null } }, async (call) => {
    await intents.deleteIntent(await owner(call), idOf(call));
    return noContent(204);
  });

  const files = (): Route[] => [
    {
      ...route(
        'POST',
        filePath,
        { summary: `Uploads the file of ${named}`, answers: { 200: null }, errors: [...BODY_ERRORS, 'conflict'] },
        async (call) => {
          await intents.uploadIntentFile(await owner(call), idOf(call), await call.text());
          return noContent(200);
        },
      ),
      bodyBytes: MAX_FILE_BYTES,
    },
    route('GET', filePath, { summary: `The file of ${named}`, answers: { 200: FILE_TYPE } }, async (call) => ({
      status: 200,
      headers: { 'Content-Type': FILE_TYPE, 'Cache-Control': 'no-store' },
      body: await intents.readIntentFile(await owner(call), idOf(call)),
    })),
  ];

  /** A path that another type has a file at. */
  const noFile = (method: 'POST' | 'GET'): Route => ({
    ...route(
      method,
      filePath,
      { summary: `There are no files of ${type.name}`, answers: {}, errors: [...ERRORS, 'method_not_allowed'] },
      async (call) => {
        await owner(call);
        throw new OAuthError('method_not_allowed', 'consents of this type have no file');
      },
    ),
    refuse(refusal, call) {
      const reply = refusedIntent(refusal, call);
      return reply.status === 405 ? { ...reply, headers: { ...reply.headers, Allow: '' } } : reply;
    },
  });

  return [lodging, reading, ...(amends ? [amending] : []), deleting, ...(type.uploads ? files() : [noFile('POST'), noFile('GET')])];
};

const idOf = ({ params: { consent_id: consentId = '' } }: Call): string => consentId;

/** The key of a request, or null where it has none or the type has no use for it. */
const idempotencyKeyOf = ({ headers }: Call, type: IntentType): string | null => {
  const given = headers['x-idempotency-key'];
  if (type.idempotencyKey === 'ignored') return null;
  if (given === undefined) {
    if (type.idempotencyKey === 'optional') return null;
    throw new OAuthError('invalid_request', 'x-idempotency-key is missing', { reason: 'header missing' });
  }
  if (!idempotencyKey.safeParse(given).success)
    throw new OAuthError('invalid_request', 'x-idempotency-key must be printable ASCII of at most 40 characters', {
      reason: 'header unreadable',
    });
  return String(given);
};
