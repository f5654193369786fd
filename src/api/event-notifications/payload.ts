import * as z from 'zod';
import { OAuthError } from '../../domain/oauth-error.ts';
import { type Form, isForm, parseForm, parseJson, readJson } from '../body.ts';
import { parse } from '../parse.ts';
import type { Call } from '../route.ts';

/** The form that holds a payload, as base64 of JSON. */
export const payloadForm = z.object({ request: z.string().describe('base64 of a JSON object') });

/** What a call says: JSON in its body, or as the reference has it in the parameter `request` of a form. */
export const readPayload = async <Schema extends z.ZodType>(call: Call, schema: Schema): Promise<z.output<Schema>> =>
  isForm(call.headers) ? parse(schema, decoded(parseForm(await call.text(), call.headers))) : readJson(call, schema);

const decoded = ({ request }: Form): unknown => {
  if (request === undefined) throw new OAuthError('invalid_request', 'request is missing', { reason: 'payload missing' });
  try {
    // A plus that nobody escaped arrives as a space.
    return parseJson(Buffer.from(request.replaceAll(' ', '+'), 'base64').toString());
  } catch (cause) {
    throw new OAuthError('invalid_request', 'Error in the request payload', { cause, reason: 'payload unreadable' });
  }
};
