import { referenceClass } from '../config/reference-class.ts';
import { wantedMembers } from '../domain/client/wanted.ts';

/** What one tag of the reference's deployment.toml is here. A note holds no value: many of them are secrets. */
export interface Reading {
  outcome: 'taken over' | 'not needed' | 'unknown';
  note: string;
  /** The settings that it becomes, by their names. */
  settings?: Readonly<Record<string, unknown>>;
}

type Reader = (value: unknown) => Reading;

const unknown = (note: string): Reading => ({ outcome: 'unknown', note });
const notNeeded = (note: string): Reading => ({ outcome: 'not needed', note });
const taken = (settings: Readonly<Record<string, unknown>>): Reading => ({
  outcome: 'taken over',
  note: Object.keys(settings).join(', '),
  settings,
});

/** Takes a value as one setting, where it can be one. */
const as =
  (name: string, fits: (value: unknown) => boolean, more: Readonly<Record<string, unknown>> = {}): Reader =>
  (value) =>
    fits(value) ? taken({ [name]: value, ...more }) : unknown(`${name} cannot have this value`);

const isHttpsUrl = (value: unknown): boolean => typeof value === 'string' && URL.parse(value)?.protocol === 'https:';
const isCount = (value: unknown): boolean => Number.isInteger(value) && Number(value) > 0;
const isClaim = (value: unknown): boolean => typeof value === 'string' && /^[A-Za-z][\w.:/-]{0,127}$/.test(value);
/** A boolean, also one in quotes; null for what is none. */
const asBoolean = (value: unknown): boolean | null => {
  if (typeof value === 'boolean') return value;
  return value === 'true' || (value === 'false' ? false : null);
};

/** A class of the reference is built in; one of the bank's own has no counterpart. */
const builtIn =
  (what: string): Reader =>
  (value) =>
    referenceClass(value) === null ? unknown(`${what}: a class of your own has no counterpart`) : notNeeded(`${what}: built in`);

const OWN_STEP = 'a step of your own: write it as a module or an HTTPS hook, and name it in consent.authorize_steps';
const STEPS = {
  retrieve: ['NonRegulatoryConsentStep', 'CIBAConsentRetrievalStep', 'DefaultConsentRetrievalStep'],
  persist: ['CIBAConsentPersistStep', 'DefaultConsentPersistStep'],
};

const steps =
  (list: 'retrieve' | 'persist'): Reader =>
  (value) => {
    const given = [value].flat() as { class?: unknown; priority?: unknown }[];
    const known = given.map((step) => ({ name: referenceClass(step.class), priority: step.priority }));
    const fits = known.every(({ name, priority }) => name !== null && STEPS[list].includes(name) && Number.isInteger(priority));
    return fits ? taken({ [`consent.authorize_steps.${list}`]: known }) : unknown(OWN_STEP);
  };

/** Without any of them every issuer would be believed that the keys verify: all are taken over, or none. */
const statementIssuers: Reader = (value) => {
  const names = [value].flat().map((issuer) => (typeof issuer === 'string' ? issuer : (Object(issuer) as { name?: unknown }).name));
  return names.length > 0 && names.every((name) => typeof name === 'string' && name !== '')
    ? taken({ 'registration.statement_issuers': names })
    : unknown('names no issuers: set registration.statement_issuers, or any is believed that the keys verify');
};

const requiredMembers: Reader = (value) => {
  const given = Object.entries(Object(value) as Record<string, { required?: unknown }>);
  const required = given.filter(([, member]) => asBoolean(member.required) === true).map(([name]) => name);
  const [here, elsewhere] = [true, false].map((isHere) => required.filter((name) => Object.hasOwn(wantedMembers, name) === isHere));
  if (here === undefined || here.length === 0) return notNeeded('members are judged as the profile of the client has it');
  const reading = taken({ 'registration.required_members': here });
  return elsewhere?.length ? { ...reading, note: `${reading.note}, without ${elsewhere.join(', ')}, which has no counterpart` } : reading;
};

/** Which of the endpoints that may be called a context speaks of. */
const ENDPOINTS = /push-auth|oauth2\/ciba|openbanking\/|\/fs\/|consentmgr|keymanager-operations|users\/v1/;

const accessControl: Reader = (value) => {
  const { context } = Object(value) as { context?: unknown };
  return typeof context === 'string' && ENDPOINTS.test(context)
    ? notNeeded('every endpoint says itself who may call it')
    : unknown('nothing is served there');
};

const GRANT_TYPES = [
  'urn:openid:params:grant-type:ciba',
  'authorization_code',
  'client_credentials',
  'refresh_token',
  'urn:ietf:params:oauth:grant-type:jwt-bearer',
];
const RESPONSE_TYPES = ['code', 'code id_token', 'cibaAuthCode'];

const oneOf =
  (what: string, known: readonly string[]): Reader =>
  (value) => {
    const { name } = Object(value) as { name?: unknown };
    return known.includes(String(name)) ? notNeeded(`${what}: built in`) : unknown(`${what} that is not served`);
  };

const REGISTERING = { 'registration.enabled': true, 'registration.profile': 'wso2-compat' };
const PORT = 9443;

const server: Reader = (value) => {
  const { hostname, offset = 0 } = Object(value) as { hostname?: unknown; offset?: unknown };
  const port = PORT + Number(offset);
  if (typeof hostname !== 'string' || !Number.isInteger(port) || !URL.canParse(`https://${hostname}:${port}`))
    return unknown('issuer and server.port cannot be told from it');
  return taken({ issuer: `https://${hostname}:${port}`, 'server.port': port, 'server.mtls_port': port + 1 });
};

const KEYSTORES = 'keys: made and rotated by the engine; the certificate of the server is tls.certificate_file and tls.key_file';
const DATABASES = 'there is no database: the log stands in data_dir';
const PEOPLE = 'people are known to psu.directory_url or psu.directory_file';
const OPERATORS = 'there is no administrator: systems of the bank are clients';
const EVENTS = 'event notifications';

/** The tags, whole subtrees of them, by where they stand. Where `open_banking` stands newer versions write `financial_services`. */
export const TAGS: Readonly<Record<string, Reader>> = {
  server,
  super_admin: () => notNeeded(OPERATORS),
  tenant_mgt: () => notNeeded('there is one tenant: wso2.tenant_domain'),
  tenant_context: () => notNeeded('there is one tenant: wso2.tenant_domain'),
  user_store: () => notNeeded(PEOPLE),
  realm_manager: () => notNeeded(PEOPLE),
  authorization_manager: () => notNeeded(PEOPLE),
  identity_mgt: () => notNeeded(PEOPLE),
  keystore: () => notNeeded(KEYSTORES),
  truststore: () => notNeeded('authorities of client certificates: tls.client_ca_files'),
  database: () => notNeeded(DATABASES),
  datasource: () => notNeeded(DATABASES),
  identity_data_source: () => notNeeded(DATABASES),
  transport: () => notNeeded('TLS 1.2 and 1.3 with the ciphers of FAPI'),
  tomcat: () => notNeeded('there is no servlet container'),
  event_listener: () => notNeeded('client authentication and revocation: built in'),
  event_handler: () => notNeeded('nobody registers themselves as a user here'),
  event: () => notNeeded('client authentication: built in'),
  application_mgt: () => notNeeded('clients have no roles'),
  authentication: () => notNeeded('the pages for signing in are the engine’s own'),
  'resource.access_control': accessControl,

  'oauth.custom_grant_type': oneOf('a grant type', GRANT_TYPES),
  'oauth.custom_response_type': oneOf('a response type', RESPONSE_TYPES),
  'oauth.grant_type': () => notNeeded('grant types: what a client is registered for'),
  'oauth.response_type': () => notNeeded('response types: what a client is registered for'),
  'oauth.oidc.extensions.ciba_request_object_validator': builtIn('the check of CIBA request objects'),
  'oauth.oidc.extensions.request_object_validator': builtIn('the check of request objects'),
  'oauth.oidc.extensions.claim_callback_handler': builtIn('the claims of ID tokens'),
  'oauth.oidc.extensions.oauth_authz_request_class': builtIn('authorization requests'),
  'oauth.oidc.custom_request_object_builder': () => notNeeded('pushed requests: built in'),
  'oauth.endpoints': () => notNeeded('the consent page is the engine’s own'),
  'oauth.allowed_scopes': () => notNeeded('scopes: what a client is registered for'),
  'oauth.token_renewal': () => notNeeded('whether refresh tokens rotate is said by the profile of the client'),
  'oauth.token_generation': () => notNeeded('access tokens are JWTs always'),
  'oauth.extensions': () => notNeeded('access tokens are JWTs always'),
  'oauth.mutualtls.client_certificate_header': () =>
    notNeeded('TLS may end here; behind a proxy it is proxy.certificate_header, with proxy.trusted'),
  'oauth.token_validation.user_access_token_validity': as('tokens.access_token_seconds', isCount),
  'oauth.token_validation.app_access_token_validity': () => notNeeded('tokens.access_token_seconds holds for every access token'),
  'oauth.token_validation.refresh_token_validity': as('tokens.refresh_token_seconds', isCount),
  'oauth.token': () => notNeeded('access tokens are JWTs always'),

  'open_banking.username': () => notNeeded(OPERATORS),
  'open_banking.password': () => notNeeded(OPERATORS),
  'open_banking.jdbc_persistence_manager': () => notNeeded(DATABASES),
  'open_banking.http_connection_pool': () => notNeeded('calls to others are few and bounded'),
  'open_banking.analytics': () => notNeeded('the log is the record'),
  'open_banking.data_publishing': () => notNeeded('the log is the record: AuthenticationSucceeded and AuthenticationFailed stand in it'),
  'open_banking.signature_validation': () => notNeeded('algorithms: those of the profile of the client'),
  'open_banking.push_authorisation': () => notNeeded('pushed requests: built in'),

  'open_banking.sca.primaryauth.name': (value) =>
    value === 'BasicAuthenticator' ? taken({ 'authentication.code_flow': ['basic'] }) : unknown('an authenticator that is not built in'),
  'open_banking.sca.primaryauth.display': () => notNeeded('pages do not show the names of steps'),
  'open_banking.sca.idp.name': (value) =>
    value === 'CIBA-Push-Auth' ? taken({ 'authentication.ciba': ['push'] }) : unknown('an authenticator that is not built in'),
  'open_banking.sca.idp.step': () => notNeeded('which step is for which flow is said by authentication'),

  'open_banking.dcr.jwks_url_sandbox': as('registration.sandbox_jwks_url', isHttpsUrl, REGISTERING),
  'open_banking.dcr.jwks_url_production': as('registration.production_jwks_url', isHttpsUrl, REGISTERING),
  'open_banking.dcr.regulatory_issuers.iss': statementIssuers,
  'open_banking.dcr.registration': requiredMembers,
  'open_banking.dcr.validator': builtIn('the check of registrations'),
  'open_banking.dcr.applicationupdater': builtIn('what is made of a registration'),
  'open_banking.dcr.use_softwareIdForAppName': () => notNeeded('a client has the name of its software'),
  'open_banking.dcr.append_registration_attributes_in_response': () => notNeeded('the answer says all that was registered'),
  'open_banking.dcr.scope': () => notNeeded('registrations are managed with the registration access token (RFC 7592)'),
  'open_banking.dcr.registration_client_uri': () => notNeeded('it follows from the issuer'),
  'open_banking.dcr.jwks_endpoint_name': () => notNeeded('software_jwks_endpoint'),
  'open_banking.dcr.jwks_retriever': () => notNeeded('calls to others end after five seconds'),
  'open_banking.dcr.regulatory_api': () => notNeeded('there is no gateway to subscribe clients to'),
  'open_banking.dcr.apim_rest_endpoints': () => notNeeded('there is no gateway to subscribe clients to'),

  'open_banking.consent.authorize_steps.retrieve': steps('retrieve'),
  'open_banking.consent.authorize_steps.persist': steps('persist'),
  'open_banking.consent.manage.handler': builtIn('lodging consents'),
  'open_banking.consent.admin.handler': builtIn('the administration of consents'),
  'open_banking.consent.validation.validator': builtIn('the validation of consents'),
  'open_banking.consent.validation': () => notNeeded('validation: built in'),
  'open_banking.consent.periodical_expiration': () => notNeeded('a consent expires in the second in which its time is over'),
  'open_banking.consent.api_credentials': () => notNeeded(OPERATORS),
  'open_banking.consent.portal': () => notNeeded('there is no portal to configure'),
  'open_banking.consent.consent_id_claim_name': as('tokens.consent_id_claim', isClaim),

  'open_banking.identity.consent_id_claim_name': as('tokens.consent_id_claim', isClaim),
  'open_banking.identity.extensions.request_object_validator': builtIn('the check of request objects'),
  'open_banking.identity.extensions.push_auth_request_validator': builtIn('the check of pushed requests'),
  'open_banking.identity.application_information_webapp': () => notNeeded('there is no portal to configure'),
  'open_banking.identity.mutualtls': () => notNeeded('certificates are compared with what the client registered'),

  'open_banking.event.notifications.token_issuer': () => notNeeded(`${EVENTS}: their issuer is the issuer`),
  'open_banking.event.notifications.number_of_sets_to_return': as('event_notifications.sets_per_poll', isCount),
  'open_banking.event.notifications.event_creation_handler': builtIn(EVENTS),
  'open_banking.event.notifications.event_polling_handler': builtIn(EVENTS),
  'open_banking.event.notifications.event_subscription_handler': builtIn(EVENTS),
  'open_banking.event.notifications.event_notification_generator': builtIn(EVENTS),
  'open_banking.event.notifications.set_sub_claim_included': () => notNeeded(`${EVENTS}: the claim is there always`),
  'open_banking.event.notifications.set_txn_claim_included': () => notNeeded(`${EVENTS}: the claim is there always`),
  'open_banking.event.notifications.set_toe_claim_included': () => notNeeded(`${EVENTS}: the claim is there always`),
  'open_banking.event.notifications.realtime': (value) => {
    const enable = asBoolean((Object(value) as { enable?: unknown }).enable);
    return enable === null ? notNeeded(`${EVENTS}: nobody is called`) : taken({ 'event_notifications.callbacks': enable });
  },
  'open_banking.event.queue_size': () => notNeeded('nothing is queued in memory'),
  'open_banking.event.worker_thread_count': () => notNeeded('nothing is queued in memory'),
  'open_banking.event.event_executor': builtIn('what follows from events'),
};
