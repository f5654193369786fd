import { z } from 'zod';
import { PROFILE_NAMES, PROFILES } from '../domain/client/profiles.ts';
import { count, optionalFile, seconds, text } from './kinds.ts';

const optionalUrl = z
  .string()
  .refine((value) => URL.canParse(value), 'expected a URL')
  .nullable()
  .default(null);

/** How TPPs register themselves. */
export const registrationSettings = z.strictObject({
  enabled: z.boolean().default(false).describe('Whether TPPs may register themselves.'),
  profile: z
    .enum(PROFILE_NAMES)
    .default('fapi-ciba')
    .describe('The profile of clients that register themselves; plain and wso2-compat are for development only.'),
  requireSoftwareStatement: z.boolean().default(true).describe('Whether a registration must bring a software statement.'),
  statementIssuers: z
    .array(text)
    .default([])
    .describe('The issuers whose software statements are accepted; any that the key sets below verify if empty.'),
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
    .boolean()
    .default(false)
    .describe(
      'Whether a piece of software has one registered client at a time; registrations with a software statement must then be signed.',
    ),
  perMinute: count.default(30).describe('The registrations that one node takes in a minute; a client may update its own a sixth as often.'),
});
type RegistrationSettings = z.infer<typeof registrationSettings>;

/** What is wrong with settings that are each right. */
export const wrongRegistration = (settings: RegistrationSettings, environment: string): (string | false)[] => {
  const { profile, requireSoftwareStatement, productionJwksUrl, sandboxJwksUrl, sandboxJwksFile, initialAccessTokenFile } = settings;
  const production = environment === 'production';
  const noKeys = [productionJwksUrl, sandboxJwksUrl, sandboxJwksFile].every((keys) => keys === null);
  const anybody = !requireSoftwareStatement && initialAccessTokenFile === null;
  return [
    production && PROFILES[profile].selfRegistration === 'development' && `registration.profile: ${profile} is for development only`,
    production && sandboxJwksFile !== null && 'registration.sandbox_jwks_file: for development only',
    sandboxJwksFile !== null && sandboxJwksUrl !== null && 'registration.sandbox_jwks_file and registration.sandbox_jwks_url: expected one',
    requireSoftwareStatement &&
      noKeys &&
      'registration.require_software_statement: expected registration.production_jwks_url or registration.sandbox_jwks_url',
    production && anybody && 'registration.initial_access_token_file: expected where no software statement is required',
  ];
};
