import * as z from 'zod';
import { type Wanted, wantedOf } from '../../domain/client/wanted.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { DecodedJws, JwsReader } from '../../domain/ports/jws.ts';
import { readJson } from '../body.ts';
import type { Call } from '../route.ts';

/** What a registration request says. */
export interface RegistrationRequest {
  wanted: Wanted;
  /** Absent and null mean that there is none. */
  statement: unknown;
  clientId: unknown;
  clientSecret: unknown;
  /** The request as it was signed; null for plain JSON. Nobody has checked the signature. */
  jwt: DecodedJws | null;
}

const JWT = /^application\/(jwt|jose)\s*(;|$)/i;

/** Reads a request in JSON (RFC 7591, section 3.1), or signed as a JWT, whose claims are its members. */
export const readRegistration = async (call: Call, jws: JwsReader): Promise<RegistrationRequest> => {
  const signed = JWT.test(call.headers['content-type'] ?? '');
  const jwt = signed ? jws.decode((await call.text()).trim()) : null;
  if (signed && jwt === null) throw new OAuthError('invalid_client_metadata', 'the request is not a signed JWT');
  const members: Readonly<Record<string, unknown>> = jwt?.claims ?? (await readJson(call, z.looseObject({})));
  return {
    wanted: wantedOf(members),
    statement: members['software_statement'] ?? null,
    clientId: members['client_id'] ?? null,
    clientSecret: members['client_secret'] ?? null,
    jwt,
  };
};
