import { clientMetadata } from './metadata.ts';

/** Members of a registration that somebody named, by the names of `ClientMetadata`, with values that nobody has checked. */
export type Wanted = Readonly<Record<string, unknown>>;

// What a client has no say in: the profile is the ASPSP's, and a statement counts only once it was verified.
const { profile: _profile, resource_server: _resourceServer, software_statement: _statement, ...members } = clientMetadata.shape;
/** The members that a client has a say in, each with the schema that it is judged by. */
export const wantedMembers = members;
const MEMBERS = Object.keys(members);

/** The members that a registration may name; null counts as not named, members that we do not know are ignored (RFC 7591, section 2). */
export const wantedOf = (given: Readonly<Record<string, unknown>>): Wanted => {
  const named = MEMBERS.filter((name) => Object.hasOwn(given, name) && given[name] !== null && given[name] !== undefined);
  const wanted = Object.fromEntries(named.map((name) => [name, name === 'jwks' ? knownOf(given[name]) : given[name]]));
  // The reference's name for it.
  const userCode = given['backchannel_user_code_parameter_supported'];
  return typeof userCode === 'boolean' ? { backchannel_user_code_parameter: userCode, ...wanted } : wanted;
};

// RFC 7517, section 5: other members of a key set are ignored.
const knownOf = (jwks: unknown): unknown => (typeof jwks === 'object' && jwks !== null && 'keys' in jwks ? { keys: jwks.keys } : jwks);
