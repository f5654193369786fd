import { z } from 'zod';

/** The claims of access tokens whose names are taken (RFC 9068, section 2.2, and those of our own). */
const TAKEN = [
  ...['iss', 'aud', 'sub', 'client_id', 'scope', 'jti', 'iat', 'nbf', 'exp', 'auth_time', 'acr', 'amr'],
  ...['authorization_details', 'cnf', 'act', 'roles', 'groups', 'entitlements'],
];

/** The name of a claim of our own in access tokens. */
export const claimName = z
  .string()
  .regex(/^[A-Za-z][\w.:/-]{0,127}$/, 'expected the name of a claim')
  .refine((name) => !TAKEN.includes(name), 'expected a name that no other claim has');
