import { z } from 'zod';
import { PROFILE_NAMES, PROFILES } from '../domain/client/profiles.ts';
import { wantedMembers } from '../domain/client/wanted.ts';
import { count, optionalFile, seconds, text } from './kinds.ts';

const optionalUrl = z
  .string()
  .refine((value) => URL.canParse(value), 'expected a URL')
  .nullable()
  .default(null);

const REGISTRATION_MEMBERS = Object.keys(wantedMembers) as [keyof typeof wantedMembers, ...(keyof typeof wantedMembers)[]];

/** How TPPs register themselves. */
export const registrationSettings = z.strictObject({
  enabled: z.boolean().default(false).describe('Whether TPPs may register themselves.'),
  profile: z
    .enum(PROFILE_NAMES)
    .default('fapi-ciba')
    .describe(
      'The profile of clients that register themselves; in production wso2-compat needs a software statement, and plain is not to be had.',
    ),
  requireSoftwareStatement: z.boolean().default(true).describe('Whether a registration must bring a software statement.'),
  statementIssuers: z
    .array(text)
    .default([])
    .describe('The issuers whose software statements are accepted; any that the key sets below verify if empty.'),
  allowRs256: z
    .boolean()
    .default(false)
    .describe(
      'While directories move over: whether registration requests and software statements, and nothing else, may be signed with RS256.',
    ),
  statementSeconds: seconds.default(15_552_000).describe('The age up to which a software statement is accepted.'),
  productionJwksUrl: optionalUrl.describe('The URL of the keys of software statements whose software_environment is production.'),
  sandboxJwksUrl: optionalUrl.describe('The URL of the keys of all other software statements.'),
  sandboxJwksFile: optionalFile.describe('Development only: a file of the keys of all other software statements, instead of the URL.'),
  initialAccessTokenFile: optionalFile.describe('The file of the token that a registration must present; none if not set.'),
  requireCertificate: z
    .boolean()
    .default(false)
    .describe('Whether registration is served only to client certificates of the trusted authorities.'),
  oneClientPerSoftware: z
    .union([z.boolean(), z.stringbool({ truthy: ['true'], falsy: ['false'] })])
    .nullable()
    .default(null)
    .describe(
      'Whether a piece of software has one registered client at a time; registrations with a software statement must then be signed. If not set, that is so with the profile wso2-compat.',
    ),
  requiredMembers: z
    .array(z.enum(REGISTRATION_MEMBERS))
    .default([])
    .describe('The members that a registration, or its software statement, must name.'),
  perMinute: count.default(30).describe('The registrations that one node takes in a minute; a client may update its own a sixth as often.'),
});
type RegistrationSettings = z.infer<typeof registrationSettings>;

/** Whether software has one client: as the settings say, or else the profile. */
export const onePerSoftware = ({ oneClientPerSoftware, profile }: RegistrationSettings): boolean =>
  oneClientPerSoftware ?? PROFILES[profile].selfRegistration.onePerSoftware;

/** What is wrong with settings that are each right. */
export const wrongRegistration = (settings: RegistrationSettings, environment: string): (string | false)[] => {
  const { profile, requireSoftwareStatement, productionJwksUrl, sandboxJwksUrl, sandboxJwksFile, initialAccessTokenFile } = settings;
  const { inProduction } = PROFILES[profile].selfRegistration;
  const production = environment === 'production';
  const noKeys = [productionJwksUrl, sandboxJwksUrl, sandboxJwksFile].every((keys) => keys === null);
  const anybody = !requireSoftwareStatement && initialAccessTokenFile === null;
  return [
    production && inProduction === 'no' && `registration.profile: ${profile} is for development only`,
    production &&
      inProduction === 'with a software statement' &&
      !requireSoftwareStatement &&
      `registration.require_software_statement: expected true in production with the profile ${profile}`,
    production && sandboxJwksFile !== null && 'registration.sandbox_jwks_file: for development only',
    sandboxJwksFile !== null && sandboxJwksUrl !== null && 'registration.sandbox_jwks_file and registration.sandbox_jwks_url: expected one',
    requireSoftwareStatement &&
      noKeys &&
      'registration.require_software_statement: expected registration.production_jwks_url or registration.sandbox_jwks_url',
    production && anybody && 'registration.initial_access_token_file: expected where no software statement is required',
  ];
};
