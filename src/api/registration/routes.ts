import { timingSafeEqual } from 'node:crypto';
import type { DetailTypes } from '../../domain/authorization-details/detail-type.ts';
import { client, disable, type RegisteredClient, register, replaceOwn } from '../../domain/client/decider.ts';
import { type ClientMetadata, profileOf, SCOPES } from '../../domain/client/metadata.ts';
import type { ProfileName } from '../../domain/client/profiles.ts';
import { ownMetadata } from '../../domain/client/self-registration.ts';
import type { SoftwareStatement } from '../../domain/client/software-statement.ts';
import type { Decide, Load } from '../../domain/decide.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { JwsReader } from '../../domain/ports/jws.ts';
import type { Limits } from '../../domain/ports/limits.ts';
import type { Outbound } from '../../domain/ports/outbound.ts';
import { firstFree } from '../first-free.ts';
import type { ReadModels } from '../read-models.ts';
import { json, noContent, type Reply, refusalReply } from '../reply.ts';
import type { Call, Route } from '../route.ts';
import { PATHS, type Surface } from '../surface.ts';
import type { Bearer } from '../tpp/bearer.ts';
import { makePace } from './pace.ts';
import { checkKeys, checkUrls } from './registered-keys.ts';
import { endRegistrationDoc, readRegistrationDoc, registerDoc, replaceRegistrationDoc } from './registration-docs.ts';
import { type RegistrationRequest, readRegistration } from './registration-request.ts';
import { makeSoftwareStatements, type StatementSettings } from './software-statements.ts';

/** Who may register, and as what. */
export interface RegistrationSettings extends StatementSettings {
  profile: ProfileName;
  production: boolean;
  requireSoftwareStatement: boolean;
  requireCertificate: boolean;
  oneClientPerSoftware: boolean;
  requiredMembers: readonly string[];
  perMinute: number;
}

/** What stands in the files of the settings. */
export interface RegistrationFiles {
  initialAccessToken: string | null;
  sandboxJwks: ClientMetadata['jwks'];
}

interface Deps {
  decide: Decide;
  load: Load;
  readModels: ReadModels;
  jws: JwsReader;
  outbound: Outbound;
  limits: Limits;
  clock: Clock;
  ids: Ids;
  surface: Surface;
  detailTypes: DetailTypes;
  bearer: Bearer;
  /** The listener that registration is served at, or null where it is not. */
  registrationBase: string | null;
  settings: RegistrationSettings;
  files?: RegistrationFiles | undefined;
}

interface Own {
  clientId: string;
  /** The registration access token, or null where the client has shown another. */
  token: string | null;
  state: RegisteredClient;
}

/** Clients that register themselves (RFC 7591), and what they do with their registration (RFC 7592). */
export const registrationRoutes = (deps: Deps): Route[] => {
  const { decide, load, readModels, jws, outbound, limits, clock, ids, detailTypes, bearer, registrationBase, settings } = deps;
  if (registrationBase === null) return [];
  const { initialAccessToken, sandboxJwks } = deps.files ?? { initialAccessToken: null, sandboxJwks: null };
  const ours = { detailTypes, requiredMembers: settings.requiredMembers, production: settings.production };
  const statements = makeSoftwareStatements({ ...deps, sandboxJwks });
  const pace = makePace(settings.perMinute, limits);
  const base = registrationBase + PATHS.registration;
  const initialTokenHash = initialAccessToken === null ? null : ids.hash(initialAccessToken);

  const fits = (given: string, hash: string | null): boolean =>
    timingSafeEqual(Buffer.from(ids.hash(given)), Buffer.from(hash ?? ids.hash(''))) && hash !== null;

  const requireCertificate = ({ certificate }: Call): void => {
    if (settings.requireCertificate && !certificate?.chainTrusted)
      throw new OAuthError('invalid_client', 'registration needs a client certificate of a trusted authority');
  };

  /** The same refusal whether the token is wrong or there is no such client. */
  const own = async (call: Call, isShown?: (clientId: string, state: RegisteredClient) => Promise<boolean>): Promise<Own> => {
    requireCertificate(call);
    const { client_id: clientId = '' } = call.params;
    const token = bearerToken(call);
    const state = await load(client, clientId);
    const good = fits(token, state.status === 'absent' ? null : state.registrationTokenHash);
    if (state.status !== 'active' || !(good || (await isShown?.(clientId, state))))
      throw new OAuthError('invalid_token', 'the registration access token is missing or no good');
    return { clientId, token: good ? token : null, state };
  };

  const command = (clientId: string, fresh = false) => ({
    id: ids.uuid(),
    actor: { kind: 'client', id: clientId } as const,
    correlationId: clientId,
    causationId: null,
    fresh,
  });

  /** The id of a new client: a random one, or that of the software's one client. */
  const newClient = async (statement: SoftwareStatement | null): Promise<{ clientId: string; fresh: boolean }> => {
    if (!settings.oneClientPerSoftware || statement === null) return { clientId: ids.uuid(), fresh: true };
    const { issuer, softwareId } = statement;
    const idAfter = (before: number) => ids.derived(`client of software\n${issuer}\n${softwareId}\n${before}`);
    const before = await firstFree(async (number) => (await load(client, idAfter(number))).status === 'disabled');
    return { clientId: idAfter(before), fresh: false };
  };

  const checked = async (metadata: ClientMetadata): Promise<ClientMetadata> => {
    checkKeys(metadata, jws);
    await checkUrls(metadata, outbound);
    return metadata;
  };

  const create = async (call: Call): Promise<Reply> => {
    requireCertificate(call);
    if (initialTokenHash !== null && !fits(bearerToken(call), initialTokenHash))
      throw new OAuthError('invalid_token', 'the initial access token is missing or no good');
    const request = await readRegistration(call, jws);
    const statement = await newStatement(request);
    await pace.register();
    const { clientId, fresh } = await newClient(statement);
    const proven = request.jwt !== null;
    const metadata = await checked(
      ownMetadata({ ...ours, wanted: request.wanted, statement, proven, profile: settings.profile, clientId }),
    );
    const secret = metadata.token_endpoint_auth_method.startsWith('client_secret_') ? ids.secret() : null;
    const [token, at] = [ids.secret(), clock()];
    const decision = register(metadata, secret && ids.hash(secret), at, ids.hash(token));
    const { position } = await decide(client, clientId, decision, command(clientId, fresh)).catch(taken);
    await readModels.reached(position);
    const secretMembers = secret === null ? {} : { client_secret: secret, client_secret_expires_at: 0 };
    return json(201, { ...information({ clientId, token, metadata, at, base }), ...secretMembers });
  };

  /** The statement of a new client, which is the sender's as far as the settings ask. */
  const newStatement = async (request: RegistrationRequest): Promise<SoftwareStatement | null> => {
    const { statement: text, jwt } = request;
    // Whoever copied the statement would take the place of the software.
    if (settings.oneClientPerSoftware && text !== null && jwt === null)
      throw new OAuthError('invalid_client_metadata', 'the request must be signed with a key of the software statement');
    if (text !== null) await pace.check();
    const statement = text === null ? null : await statements.verified(text);
    await checkGrounds(request, statement);
    return statement;
  };

  const checkGrounds = async ({ jwt }: RegistrationRequest, statement: SoftwareStatement | null): Promise<void> => {
    if (statement === null && (settings.requireSoftwareStatement || jwt !== null))
      throw new OAuthError('invalid_software_statement', 'the request needs a software_statement');
    if (statement !== null && jwt !== null) await statements.checkRequest(jwt, statement);
  };

  const read = async (call: Call): Promise<Reply> => {
    const { clientId, token, state } = await own(call, async (id, { metadata }) => {
      if (profileOf(metadata).registration !== 'reference') return false;
      const shown = await bearer(call, ...SCOPES).catch(noToken);
      return shown?.clientId === id && shown.psuId === null;
    });
    return json(200, information({ clientId, token, metadata: state.metadata, at: state.registeredAt, base }));
  };

  /** The statement of an update: the one that is registered, or a newer one of the same software. */
  const statementOf = async ({ statement }: RegistrationRequest, { metadata }: RegisteredClient): Promise<SoftwareStatement | null> => {
    const registered = metadata.software_statement === null ? null : statements.registered(metadata.software_statement);
    if (statement === null) return settings.requireSoftwareStatement ? null : registered;
    if (statement === registered?.text) return registered;
    if (registered === null && settings.oneClientPerSoftware)
      throw new OAuthError('invalid_software_statement', 'software that has one client registers with its statement');
    const newer = await statements.verified(statement);
    if (registered !== null && (newer.issuer !== registered.issuer || newer.softwareId !== registered.softwareId))
      throw new OAuthError('invalid_software_statement', 'the software statement is of another software');
    return newer;
  };

  const replace = async (call: Call): Promise<Reply> => {
    const { clientId, token, state } = await own(call);
    await pace.update(clientId);
    const request = await readRegistration(call, jws);
    // RFC 7592, section 2.2: the client may repeat both and change neither.
    if (request.clientId !== null && request.clientId !== clientId)
      throw new OAuthError('invalid_client_metadata', 'client_id is of another client');
    if (request.clientSecret !== null && !(typeof request.clientSecret === 'string' && fits(request.clientSecret, state.secretHash)))
      throw new OAuthError('invalid_client_metadata', 'client_secret is not that of the client');
    const statement = await statementOf(request, state);
    await checkGrounds(request, statement);
    const proven = request.jwt !== null;
    const revise = (current: ClientMetadata) =>
      ownMetadata({ ...ours, wanted: request.wanted, statement, proven, current, profile: current.profile, clientId });
    const metadata = await checked(revise(state.metadata));
    const { position } = await decide(client, clientId, replaceOwn(revise, clock()), command(clientId));
    await readModels.reached(position);
    return json(200, information({ clientId, token, metadata, at: state.registeredAt, base }));
  };

  const end = async (call: Call): Promise<Reply> => {
    const { clientId } = await own(call);
    const { position } = await decide(client, clientId, disable(clock()), command(clientId));
    await readModels.reached(position);
    return noContent(204);
  };

  const retryAfter = String(Math.ceil(60 / settings.perMinute));
  const refuse = (refusal: OAuthError, { headers: { authorization } }: Call): Reply => {
    const reply = refusalReply(refusal);
    if (reply.status === 503) return { ...reply, headers: { ...reply.headers, 'Retry-After': retryAfter } };
    if (reply.status !== 401) return reply;
    // RFC 6750, section 3.1: who showed no token is not told what is wrong with it.
    const challenge = authorization === undefined ? 'Bearer' : `Bearer error="${refusal.error}"`;
    return { ...reply, headers: { ...reply.headers, 'WWW-Authenticate': challenge } };
  };

  return [PATHS.registration, PATHS.registrationAlias].flatMap((path): Route[] => {
    const one = `${path}/{client_id}`;
    return [
      { method: 'POST', path, doc: registerDoc, refuse, handle: create },
      { method: 'GET', path: one, doc: readRegistrationDoc, refuse, handle: read },
      { method: 'PUT', path: one, doc: replaceRegistrationDoc, refuse, handle: replace },
      { method: 'DELETE', path: one, doc: endRegistrationDoc, refuse, handle: end },
    ];
  });
};

const bearerToken = ({ headers: { authorization } }: Call): string => /^bearer +([\w.~+/=-]+)$/i.exec(authorization ?? '')?.[1] ?? '';

const noToken = (error: unknown): null => {
  if (error instanceof OAuthError) return null;
  throw error;
};

const taken = (error: unknown): never => {
  if (error instanceof OAuthError && error.error === 'conflict')
    throw new OAuthError('invalid_client_metadata', 'the software is registered already');
  throw error;
};

/** What is registered (RFC 7591, section 3.2.1); of the client's secrets only the token that it showed or was given just now. */
const information = ({
  clientId,
  token,
  metadata,
  at,
  base,
}: {
  clientId: string;
  token: string | null;
  metadata: ClientMetadata;
  at: number;
  base: string;
}): Record<string, unknown> => {
  const { profile: _profile, resource_server: _resourceServer, ...members } = metadata;
  return {
    client_id: clientId,
    client_id_issued_at: at,
    ...(token !== null && { registration_access_token: token }),
    registration_client_uri: `${base}/${clientId}`,
    // Redirect URIs are https only, so that every client is one (OpenID Connect Dynamic Client Registration 1.0, section 2).
    application_type: 'web',
    ...Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null)),
    ...(profileOf(metadata).registration === 'reference' && {
      client_id_issued_at: String(at),
      backchannel_user_code_parameter_supported: metadata.backchannel_user_code_parameter,
    }),
  };
};
