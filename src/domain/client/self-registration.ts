import type * as z from 'zod';
import type { DetailTypes } from '../authorization-details/detail-type.ts';
import { OAuthError, type OAuthErrorCode } from '../oauth-error.ts';
import { isSeen } from '../showable.ts';
import { type ClientMetadata, checkMetadata, clientMetadata, SCOPES } from './metadata.ts';
import { PROFILES, type ProfileName } from './profiles.ts';
import type { SoftwareStatement } from './software-statement.ts';
import type { Wanted } from './wanted.ts';

/** What a client asks to be registered with, and on what grounds. */
export interface SelfRegistration {
  wanted: Wanted;
  statement: SoftwareStatement | null;
  /** Whether the sender has proved to be the software of the statement: a copy of a statement proves nothing of its bearer. */
  proven: boolean;
  /** What the client is registered with where it replaces that. */
  current?: ClientMetadata;
  profile: ProfileName;
  production: boolean;
  clientId: string;
  detailTypes: DetailTypes;
  /** The members that the request or its statement must name. */
  requiredMembers: readonly string[];
}

/**
 * The metadata that a client registers itself with (RFC 7591, section 2): what the software statement says wins, and what nobody says has
 * the specification's default where the profile allows it. Scopes that we do not have are left out.
 */
export const ownMetadata = (by: SelfRegistration): ClientMetadata => {
  const { wanted, statement, proven, current, profile, clientId, detailTypes } = by;
  const said: Wanted = { ...wanted, ...statement?.metadata, ...redirectsOf(by) };
  if (statement !== null) checkAgainst(statement, wanted);
  const missing = by.requiredMembers.find((member) => !(member in said || (member === 'redirect_uris' && statement?.redirectUris.length)));
  if (missing !== undefined) throw invalid(`${missing} is missing`);
  const { success, data, error } = clientMetadata.safeParse({
    client_name: clientId,
    ...defaults(said, by),
    ...said,
    ...('scope' in said && { scope: knownScopes(said['scope']) }),
    profile,
    software_statement: statement?.text ?? null,
  });
  if (!success) throw refusalOf(error);
  const { authMethods } = PROFILES[profile].selfRegistration;
  if (!authMethods.some((method) => method === data.token_endpoint_auth_method))
    throw invalid(`token_endpoint_auth_method must be one of ${authMethods.join(', ')}`);
  if (statement !== null && !proven) checkUnproven(statement, data, current);
  checkNames(data, detailTypes);
  if (data.grant_types.includes('authorization_code') && data.redirect_uris.length === 0)
    throw new OAuthError('invalid_redirect_uri', 'the grant type authorization_code needs redirect_uris');
  return checkMetadata(data);
};

const invalid = (reason: string) => new OAuthError('invalid_client_metadata', reason);

/** The redirect URIs that the statement has a word on, whatever the request names. */
const redirectsOf = ({ wanted, statement, profile }: SelfRegistration): Wanted => {
  const fromStatement = statement !== null && PROFILES[profile].registration === 'reference' && 'redirect_uris' in wanted;
  return fromStatement ? { redirect_uris: statement.redirectUris } : {};
};

const namesKeys = ({ metadata }: SoftwareStatement): boolean => 'jwks_uri' in metadata || 'jwks' in metadata;

const checkAgainst = (statement: SoftwareStatement, wanted: Wanted): void => {
  const { redirectUris, metadata } = statement;
  if (Array.isArray(wanted['redirect_uris']) && !wanted['redirect_uris'].every((uri) => redirectUris.includes(uri)))
    throw new OAuthError('invalid_redirect_uri', 'a redirect URI is not in the software statement');
  if (!namesKeys(statement)) return;
  if ('jwks_uri' in wanted && wanted['jwks_uri'] !== metadata['jwks_uri']) throw invalid('jwks_uri is not that of the software statement');
  if ('jwks' in wanted && 'jwks_uri' in metadata) throw invalid('the keys are those at the jwks_uri of the software statement, not a jwks');
};

const AUTHENTICATION = /^(token_endpoint_auth_method|tls_client_auth_.+|jwks|jwks_uri)$/;

const authenticateAlike = (one: ClientMetadata, other: ClientMetadata): boolean =>
  (Object.keys(one) as (keyof ClientMetadata)[]).every(
    (name) => !AUTHENTICATION.test(name) || JSON.stringify(one[name]) === JSON.stringify(other[name]),
  );

/** Refuses who might have copied the statement, unless only a key of it lets the client in, or what lets it in stays as it was. */
const checkUnproven = (statement: SoftwareStatement, metadata: ClientMetadata, current: ClientMetadata | undefined): void => {
  const { token_endpoint_auth_method: method } = metadata;
  if (!namesKeys(statement) || method === 'private_key_jwt' || method === 'self_signed_tls_client_auth') return;
  if (current?.software_statement === statement.text && authenticateAlike(metadata, current)) return;
  throw invalid('without a key of the software statement to authenticate with, the request must be signed with one');
};

/** What stands for members that nobody named (RFC 7591, section 2; RFC 8705, section 3.4), as far as the profile leaves a choice. */
const defaults = (said: Wanted, { profile, production, statement }: SelfRegistration): Wanted => {
  const grants = said['grant_types'] ?? ('redirect_uris' in said ? ['authorization_code'] : undefined);
  const redirecting = Array.isArray(grants) && grants.includes('authorization_code');
  const { certificateBound } = PROFILES[profile].selfRegistration;
  const boundByProfile = certificateBound === 'yes' || (certificateBound === 'in production' && production);
  return {
    token_endpoint_auth_method: 'client_secret_basic',
    tls_client_certificate_bound_access_tokens: boundByProfile && said['dpop_bound_access_tokens'] !== true,
    ...(grants !== undefined && { grant_types: grants }),
    ...(redirecting && { response_types: ['code'], redirect_uris: statement?.redirectUris ?? [] }),
  };
};

const knownScopes = (scope: unknown): unknown => {
  if (typeof scope !== 'string') return scope;
  const known = SCOPES.filter((one) => scope.split(' ').includes(one));
  if (known.length === 0) throw invalid('scope names none of the scopes there are');
  return known.join(' ');
};

const checkNames = ({ client_name: name, authorization_details_types: types }: ClientMetadata, detailTypes: DetailTypes): void => {
  if (!isSeen(name)) throw invalid('client_name holds characters that are not seen');
  if (!types.every((type) => detailTypes.has(type))) throw invalid('authorization_details_types names a type that there is not');
};

const refusalOf = ({ issues: [issue] }: z.ZodError): OAuthError => {
  const [member = 'the request'] = issue?.path.map(String) ?? [];
  const code: OAuthErrorCode = member === 'redirect_uris' ? 'invalid_redirect_uri' : 'invalid_client_metadata';
  return new OAuthError(code, `${member} is not valid: ${issue?.code === 'custom' ? issue.message : (issue?.code ?? 'unknown')}`);
};
