import * as z from 'zod';
import type { ClientMetadata } from '../../domain/client/metadata.ts';
import { SIGNING_ALGS } from '../../domain/client/profiles.ts';
import { checkStatement, type SoftwareStatement, softwareStatement } from '../../domain/client/software-statement.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { DecodedJws, JwsReader } from '../../domain/ports/jws.ts';
import type { Limits } from '../../domain/ports/limits.ts';
import type { Outbound } from '../../domain/ports/outbound.ts';
import { PATHS, type Surface } from '../surface.ts';
import { type KeyOwner, makeClientKeys } from '../tpp/client-keys.ts';

/** Whose software statements are believed. */
export interface StatementSettings {
  statementIssuers: readonly string[];
  /** Whether RS256 is taken as well, while directories of the reference move over. */
  allowRs256: boolean;
  statementSeconds: number;
  productionJwksUrl: string | null;
  sandboxJwksUrl: string | null;
}

interface Deps {
  jws: JwsReader;
  outbound: Outbound;
  limits: Limits;
  clock: Clock;
  ids: Ids;
  surface: Surface;
  settings: StatementSettings;
  /** The keys of the sandbox where the settings name no URL for them. */
  sandboxJwks: ClientMetadata['jwks'];
}

/** Software statements, and the requests that are signed with the keys that they name. */
export interface SoftwareStatements {
  /** A statement that is signed by its directory and is good now, or the refusal. */
  verified(text: unknown): Promise<SoftwareStatement>;
  /** A statement that was verified when it was registered. */
  registered(text: string): SoftwareStatement;
  /** Refuses a request that is not signed by the software of the statement, meant for us, fresh, and used once. */
  checkRequest(request: DecodedJws, statement: SoftwareStatement): Promise<void>;
}

const SKEW_SECONDS = 60;
const REQUEST_SECONDS = 3600;
const PATHS_OF_REGISTRATION = [PATHS.registration, PATHS.registrationAlias];

const requestClaims = z.object({
  iss: z.string(),
  aud: z.union([z.string(), z.array(z.string())]),
  exp: z.number(),
  iat: z.number(),
  nbf: z.number().optional(),
  jti: z.string().min(1).max(256),
});

/** Verifies software statements, and the signed requests that hold them, by the keys and the bounds of the settings. */
export const makeSoftwareStatements = (deps: Deps): SoftwareStatements => {
  const { jws, limits, clock, ids, surface, settings } = deps;
  const { statementIssuers: issuers, statementSeconds: maxAgeSeconds, allowRs256, productionJwksUrl, sandboxJwksUrl } = settings;
  const keysOfOthers = makeClientKeys({ ...deps, rs256: allowRs256 });
  const checkType = makeCheckType(allowRs256);
  const audiences = new Set([surface.issuer, `${surface.issuer}/`, ...endpointsOf(surface)]);
  const directories = {
    production: keysOf('production directory', null, productionJwksUrl),
    sandbox: keysOf('sandbox directory', sandboxJwksUrl === null ? deps.sandboxJwks : null, sandboxJwksUrl),
  };

  return {
    async verified(text) {
      const refuse = (reason: string) => new OAuthError('invalid_software_statement', `the software statement ${reason}`);
      const decoded = typeof text === 'string' ? jws.decode(text) : null;
      if (typeof text !== 'string' || decoded === null) throw refuse('is not a signed JWT');
      checkType(decoded, refuse);
      const statement = softwareStatement(text, decoded.claims);
      const directory = directories[statement.environment];
      if (directory === null)
        throw new OAuthError(
          'unapproved_software_statement',
          `no software statements are accepted from a ${statement.environment} directory`,
        );
      if (!(await keysOfOthers.signed(directory, decoded)))
        throw refuse('is not signed by a key of its directory, or those keys are not to be had');
      checkStatement(statement, { issuers, maxAgeSeconds, at: clock() });
      return statement;
    },

    registered(text) {
      const decoded = jws.decode(text);
      if (decoded === null) throw new TypeError('a registered software statement cannot be read');
      return softwareStatement(text, decoded.claims);
    },

    async checkRequest(request, { softwareId, metadata }) {
      const refuse = (reason: string) => new OAuthError('invalid_client_metadata', `the signed request ${reason}`);
      const { jwks, jwks_uri: jwksUri } = metadata as Partial<ClientMetadata>;
      const keys = keysOf(`software ${typeof jwksUri === 'string' ? jwksUri : softwareId}`, jwks ?? null, jwksUri ?? null);
      if (keys === null) throw refuse('cannot be checked: the software statement names no keys');
      checkType(request, refuse);
      const { success, data: claims } = requestClaims.safeParse(request.claims);
      if (!success) throw refuse('must hold iss, aud, exp, iat and jti');
      const at = clock();
      if (claims.iss !== softwareId) throw refuse('was not issued by the software of its software statement');
      if (![claims.aud].flat().some((aud) => audiences.has(aud))) throw refuse('is meant for another server');
      if (claims.exp <= at) throw refuse('has expired');
      if (Math.max(claims.iat, claims.nbf ?? 0) > at + SKEW_SECONDS) throw refuse('is not valid yet');
      if (claims.iat < at - REQUEST_SECONDS || claims.exp > at + REQUEST_SECONDS + SKEW_SECONDS) throw refuse('lives too long');
      if (!(await keysOfOthers.signed(keys, request)))
        throw refuse('is not signed by a key of its software, or those keys are not to be had');
      if (!(await limits.firstUse(ids.hash(`registration\n${softwareId}\n${claims.jti}`), Math.ceil(claims.exp))))
        throw refuse('was used before');
    },
  };
};

const endpointsOf = ({ issuer, mtlsBase }: Surface): string[] =>
  [issuer, mtlsBase].flatMap((base) => PATHS_OF_REGISTRATION.map((path) => base + path));

/** Refuses what is signed in another way. RFC 8725, section 3.11: what says that it is something else than a JWT is none of these. */
const makeCheckType = (allowRs256: boolean) => {
  const algs: readonly string[] = allowRs256 ? [...SIGNING_ALGS, 'RS256'] : SIGNING_ALGS;
  const wanted = `must be a JWT that is signed with ${algs.join(' or ')}`;
  return ({ header: { alg, typ } }: DecodedJws, refuse: (reason: string) => OAuthError): void => {
    if (alg === 'RS256' && !allowRs256) throw refuse(`${wanted}: RS256 is switched off here (registration.allow_rs256)`);
    if (!algs.includes(alg) || (typ !== null && typ.toLowerCase() !== 'jwt')) throw refuse(wanted);
  };
};

/** The keys of somebody who is no client, as those of clients are looked up. */
const keysOf = (name: string, jwks: ClientMetadata['jwks'], jwksUri: string | null): KeyOwner | null =>
  jwks === null && jwksUri === null ? null : { clientId: name, metadata: { jwks, jwks_uri: jwksUri } as ClientMetadata };
