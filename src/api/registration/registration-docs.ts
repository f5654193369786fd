import * as z from 'zod';
import { clientMetadata } from '../../domain/client/metadata.ts';
import { wantedMembers } from '../../domain/client/wanted.ts';
import type { RouteDoc } from '../route.ts';

const members = { ...wantedMembers, software_statement: clientMetadata.shape.software_statement };

/** The client information of an answer (RFC 7591, section 3.2.1; RFC 7592, section 3). */
const clientInformation = z.looseObject({
  client_id: z.string(),
  client_id_issued_at: z.union([z.int(), z.string()]).describe('a number (RFC 7591), or the same as a text in the profile wso2-compat'),
  client_secret: z.string().optional(),
  client_secret_expires_at: z.int().optional(),
  registration_access_token: z.string(),
  registration_client_uri: z.string(),
});

const refusals = [
  'invalid_request',
  'invalid_redirect_uri',
  'invalid_client_metadata',
  'invalid_software_statement',
  'unapproved_software_statement',
] as const;

export const registerDoc: RouteDoc = {
  summary: 'A TPP registers itself, with JSON or with a signed request as application/jwt (RFC 7591)',
  security: 'none',
  json: z.looseObject(members).partial(),
  answers: { 201: clientInformation },
  errors: [...refusals, 'invalid_token', 'invalid_client', 'temporarily_unavailable'],
};

export const readRegistrationDoc: RouteDoc = {
  summary:
    'A TPP reads its registration (RFC 7592, section 2.1); one of the profile wso2-compat also by an access token of its own (client_credentials)',
  security: 'registration token',
  answers: { 200: clientInformation.partial({ registration_access_token: true }) },
  errors: [],
};

export const replaceRegistrationDoc: RouteDoc = {
  summary: 'A TPP replaces its registration (RFC 7592, section 2.2)',
  security: 'registration token',
  json: z.looseObject({ client_id: z.string(), client_secret: z.string(), ...members }).partial(),
  answers: { 200: clientInformation },
  errors: [...refusals, 'temporarily_unavailable'],
};

export const endRegistrationDoc: RouteDoc = {
  summary: 'A TPP ends its registration, and with it every grant (RFC 7592, section 2.3)',
  security: 'registration token',
  answers: { 204: null },
  errors: [],
};
