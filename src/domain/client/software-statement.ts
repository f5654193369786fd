import * as z from 'zod';
import { OAuthError } from '../oauth-error.ts';
import { type Wanted, wantedOf } from './wanted.ts';

/** What a software statement says of its software (RFC 7591, section 2.3), in the members of RFC 7591 or in those of Open Banking. */
export interface SoftwareStatement {
  text: string;
  issuer: string;
  issuedAt: number;
  expiresAt: number | null;
  softwareId: string;
  /** Whose keys sign it: those of the production directory or of the sandbox. */
  environment: 'production' | 'sandbox';
  /** Whether the organisation is in good standing, as far as the statement says. */
  organisationActive: boolean;
  redirectUris: readonly string[];
  /** Everything else that it says of the client, which a request cannot change. */
  metadata: Wanted;
}

const claims = z.looseObject({
  iss: z.string().min(1),
  iat: z.number(),
  nbf: z.number().optional(),
  exp: z.number().optional(),
  software_id: z.string().min(1),
  software_environment: z.string().nullish(),
  org_status: z.string().nullish(),
  redirect_uris: z.array(z.string()).nullish(),
  software_redirect_uris: z.array(z.string()).nullish(),
});

// The Open Banking name of each member that RFC 7591 has a name for.
const OPEN_BANKING = {
  client_name: 'software_client_name',
  client_uri: 'software_client_uri',
  logo_uri: 'software_logo_uri',
  policy_uri: 'software_policy_uri',
  tos_uri: 'software_tos_uri',
  jwks: 'software_jwks',
  jwks_uri: 'software_jwks_endpoint',
} as const;

/** Reads the claims of a software statement; nothing in it is true before its signature was checked. */
export const softwareStatement = (text: string, given: Readonly<Record<string, unknown>>): SoftwareStatement => {
  const { success, data } = claims.safeParse(given);
  if (!success) throw new OAuthError('invalid_software_statement', 'the software statement must hold iss, iat and software_id');
  const { redirect_uris: plainUris, software_redirect_uris: redirectUris, software_version: version } = data;
  const named = Object.entries(OPEN_BANKING).map(([name, theirs]) => [name, data[theirs]]);
  const { redirect_uris: _, ...said } = wantedOf({
    ...data,
    // A directory leaves empty what nobody filled in.
    ...Object.fromEntries(named.filter(([, value]) => value !== undefined && value !== null && value !== '')),
    ...(typeof version === 'number' && { software_version: String(version) }),
  });
  const { jwks, ...withoutKeys } = said;
  return {
    text,
    issuer: data.iss,
    issuedAt: Math.max(data.iat, data.nbf ?? data.iat),
    expiresAt: data.exp ?? null,
    softwareId: data.software_id,
    environment: data.software_environment === 'production' ? 'production' : 'sandbox',
    organisationActive: [undefined, null, '', 'active'].includes(data.org_status?.toLowerCase()),
    redirectUris: redirectUris ?? plainUris ?? [],
    metadata: 'jwks_uri' in said ? withoutKeys : said,
  };
};

const SKEW_SECONDS = 60;

/** Refuses a statement by an issuer or of an organisation that is not approved, and one that is too old, over, or not valid yet. */
export const checkStatement = (
  { issuer, issuedAt, expiresAt, organisationActive }: SoftwareStatement,
  { issuers, maxAgeSeconds, at }: { issuers: readonly string[]; maxAgeSeconds: number; at: number },
): void => {
  if (issuers.length > 0 && !issuers.includes(issuer))
    throw new OAuthError('unapproved_software_statement', 'software statements of this issuer are not accepted');
  if (!organisationActive)
    throw new OAuthError('unapproved_software_statement', 'the organisation of the software statement is not active');
  if (issuedAt > at + SKEW_SECONDS) throw new OAuthError('invalid_software_statement', 'the software statement is not valid yet');
  if ((expiresAt !== null && expiresAt <= at) || issuedAt < at - maxAgeSeconds)
    throw new OAuthError('invalid_software_statement', 'the software statement has expired');
};
