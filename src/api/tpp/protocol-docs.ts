import * as z from 'zod';
import { authenticationRequest } from '../../domain/ciba-request/request.ts';
import { CIBA_GRANT } from '../../domain/client/metadata.ts';
import { authorizationForm } from '../authorize/routes.ts';
import type { RouteDoc } from '../route.ts';

/** The parameters of client authentication in a form; certificates and HTTP Basic stand outside of it. */
export const clientAuthentication = z.object({
  client_id: z.string().optional(),
  client_secret: z.string().optional(),
  client_assertion: z.string().optional(),
  client_assertion_type: z.literal('urn:ietf:params:oauth:client-assertion-type:jwt-bearer').optional(),
});

/** The answer of the token endpoint (RFC 6749, section 5.1; CIBA Core 1.0, section 10.1.1). */
const tokenResponse = z.object({
  access_token: z.string(),
  token_type: z.enum(['Bearer', 'DPoP']),
  expires_in: z.int(),
  scope: z.string(),
  id_token: z.string().optional(),
  refresh_token: z.string().optional(),
  authorization_details: z.array(z.looseObject({ type: z.string() })).optional(),
});

export const backchannelAuthenticationDoc: RouteDoc = {
  summary: 'A TPP asks for the consent of a PSU (CIBA Core 1.0, section 7)',
  security: 'client',
  form: z.object({ ...authenticationRequest.shape, ...clientAuthentication.shape, request: z.string().optional() }),
  answers: {
    200: z.object({ auth_req_id: z.string(), expires_in: z.int(), interval: z.int().optional(), auth_url: z.string().optional() }),
  },
  errors: [
    'invalid_request',
    'invalid_scope',
    'invalid_binding_message',
    'invalid_authorization_details',
    'unknown_user_id',
    'unauthorized_user',
    'expired_login_hint_token',
    'missing_user_code',
    'invalid_user_code',
    'unauthorized_client',
    'access_denied',
  ],
};

export const pushedAuthorizationDoc: RouteDoc = {
  summary: 'A TPP pushes an authorization request (RFC 9126)',
  security: 'client',
  form: z.object({ ...authorizationForm.partial().shape, ...clientAuthentication.shape }),
  answers: { 201: z.object({ request_uri: z.string(), expires_in: z.int() }) },
  errors: [
    'invalid_request',
    'invalid_request_object',
    'invalid_scope',
    'invalid_authorization_details',
    'unauthorized_client',
    'unsupported_response_type',
    'unmet_authentication_requirements',
  ],
};

export const tokenDoc: RouteDoc = {
  summary: 'A TPP fetches tokens (RFC 6749, section 3.2; CIBA Core 1.0, section 10)',
  security: 'client',
  headers: z.object({
    Prefer: z.string().optional().describe('wait=<seconds>: the answer to a pending request may come later (RFC 7240)'),
  }),
  form: z.object({
    ...clientAuthentication.shape,
    grant_type: z.string(),
    auth_req_id: z.string().optional().describe(`with ${CIBA_GRANT}`),
    code: z.string().optional(),
    redirect_uri: z.string().optional(),
    code_verifier: z.string().optional(),
    refresh_token: z.string().optional(),
    assertion: z.string().optional(),
    scope: z.string().optional(),
  }),
  answers: { 200: tokenResponse },
  errors: [
    'invalid_request',
    'invalid_grant',
    'invalid_scope',
    'unauthorized_client',
    'unsupported_grant_type',
    'authorization_pending',
    'slow_down',
    'expired_token',
    'access_denied',
  ],
  refusal: { status: { access_denied: 400 } },
};

export const introspectionDoc: RouteDoc = {
  summary: 'What a token is good for now (RFC 7662)',
  security: 'client',
  form: z.object({ ...clientAuthentication.shape, token: z.string(), token_type_hint: z.string().optional() }),
  answers: {
    200: z.looseObject({
      active: z.boolean(),
      client_id: z.string().optional(),
      sub: z.string().optional(),
      scope: z.string().optional(),
      exp: z.int().optional(),
    }),
  },
  errors: [],
};

export const revocationDoc: RouteDoc = {
  summary: 'Ends a token (RFC 7009)',
  security: 'client',
  form: z.object({ ...clientAuthentication.shape, token: z.string(), token_type_hint: z.string().optional() }),
  answers: { 200: null },
  errors: [],
};
