import * as z from 'zod';
import type { RouteDoc } from '../route.ts';
import { AnswerBody, PushTokenBody, RegistrationBody } from './bodies.ts';

const accountIds = z.array(z.string());

export const enrolmentDoc: RouteDoc = {
  summary: 'Offers a PSU one-time discovery data for a phone; with `Accept: image/svg+xml` as a QR code',
  security: 'psu',
  answers: {
    201: z.object({
      device_id: z.string(),
      challenge: z.string(),
      issuer: z.string(),
      registration_endpoint: z.string(),
      expires_in: z.int(),
    }),
  },
  errors: ['conflict'],
};

export const registerDeviceDoc: RouteDoc = {
  summary: 'Registers a device by a statement (JWS, device-registration+jwt) signed with the key that it registers',
  security: 'none',
  json: RegistrationBody,
  answers: { 201: z.object({ device_id: z.string(), key_thumbprint: z.string() }) },
  errors: ['invalid_request', 'not_found', 'conflict', 'gone'],
};

export const devicesDoc: RouteDoc = {
  summary: 'The devices of the PSU',
  security: 'device',
  answers: {
    200: z.object({
      devices: z.array(
        z.object({
          device_id: z.string(),
          name: z.string().nullable(),
          model: z.string().nullable(),
          registered_at: z.int(),
          reachable_by_push: z.boolean(),
          this_device: z.boolean(),
        }),
      ),
    }),
  },
  errors: [],
};

export const pushTokenDoc: RouteDoc = {
  summary: 'Replaces the push token of this device',
  security: 'device',
  json: PushTokenBody,
  answers: { 204: null },
  errors: ['not_found', 'invalid_request'],
};

export const revokeDeviceDoc: RouteDoc = {
  summary: 'Revokes a device of the PSU',
  security: 'device',
  answers: { 204: null },
  errors: ['not_found'],
};

export const waitingDoc: RouteDoc = {
  summary: 'The requests that wait for the PSU',
  security: 'device',
  answers: {
    200: z.object({
      requests: z.array(
        z.object({ request_id: z.string(), client_name: z.string(), binding_message: z.string().nullable(), expires_at: z.int() }),
      ),
    }),
  },
  errors: [],
};

export const retrieveDoc: RouteDoc = {
  summary: 'One request exactly as it is to be shown; the showing is recorded',
  security: 'device',
  answers: {
    200: z.object({ request_id: z.string(), shown: z.string(), digest: z.string(), nonce: z.string(), expires_at: z.int() }),
  },
  errors: ['not_found', 'conflict', 'gone'],
};

export const answerDoc: RouteDoc = {
  summary: 'The signed answer (JWS, consent-answer+jwt) over what this device was shown last',
  security: 'none',
  json: AnswerBody,
  answers: { 200: z.object({ request_id: z.string(), status: z.enum(['approved', 'denied']) }) },
  errors: ['invalid_request', 'invalid_token', 'not_found', 'conflict', 'gone', 'access_denied'],
};

export const consentsDoc: RouteDoc = {
  summary: 'What the PSU was asked for and has answered',
  security: 'device',
  answers: {
    200: z.object({
      consents: z.array(
        z.looseObject({
          consent_id: z.string(),
          client_name: z.string(),
          status: z.string(),
          account_ids: accountIds,
          authorization_details: z.array(z.looseObject({ type: z.string() })).nullable(),
          expires_at: z.int().nullable(),
          changed_at: z.int(),
        }),
      ),
    }),
  },
  errors: [],
};

export const revokeConsentDoc: RouteDoc = {
  summary: 'Takes a consent back: its tokens end',
  security: 'device',
  answers: { 204: null },
  errors: ['not_found'],
};
