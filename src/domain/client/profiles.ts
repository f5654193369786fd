import { type ErrorWords, OWN_WORDS, REFERENCE_WORDS } from './error-words.ts';

export const AUTH_METHODS = [
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
  'client_secret_basic',
  'client_secret_post',
] as const;
export type AuthMethod = (typeof AUTH_METHODS)[number];
const BY_KEY = ['private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth'] as const satisfies readonly AuthMethod[];

/** What we sign with. */
export const SIGNING_ALGS = ['PS256', 'ES256'] as const;
/** What clients may sign with, in one profile or another. */
export const CLIENT_SIGNING_ALGS = [...SIGNING_ALGS, 'EdDSA'] as const;

export const DELIVERY_MODES = ['poll', 'ping', 'push'] as const;
export type DeliveryMode = (typeof DELIVERY_MODES)[number];

/** What a client may do and must do. A rule belongs to the profile that a client is registered with, never to an endpoint. */
export interface Profile {
  authMethods: readonly AuthMethod[];
  /** For client assertions and request objects. */
  signingAlgs: readonly string[];
  /** `aud` of a client assertion: the issuer or one of our endpoints, or exactly the issuer as one string (FAPI 2 SP 5.3.2.1-8). */
  assertionAudience: 'issuer or endpoint' | 'issuer';
  /**
   * What binds every token: the certificate of the connection (FAPI 1 Advanced 5.2.2-5, -6), that or DPoP (FAPI 2 SP 5.3.2.1), or what the
   * client registered, if anything.
   */
  senderConstraint: 'certificate' | 'certificate or dpop' | 'as registered';
  /** How tokens of CIBA are delivered (FAPI-CIBA 5.2.2-3 to -5). */
  deliveryModes: readonly DeliveryMode[];
  /** Authentication parameters count only inside a signed `request` (FAPI-CIBA 5.2.2-6). */
  signedRequestRequired: boolean;
  /** The longest span from `nbf` to `exp` of a request object, and the oldest `nbf` (FAPI 1 Advanced 5.2.2-13, -17). */
  requestObjectSeconds: number;
  /** `aud` of the request object of a CIBA request: the issuer among others, or nothing but the issuer or an endpoint that it is about. */
  requestObjectAudience: 'issuer' | 'one of issuer and endpoints';
  /** How many seconds a request object of a CIBA request may be ahead of our clock, and how many behind its end. */
  requestObjectSkew: { ahead: number; behind: number };
  /** The parameters of a CIBA request that are refused rather than passed over or taken. */
  refusedParameters: readonly ('login_hint_token' | 'actor_token')[];
  /**
   * The values of `notification_channel` that are taken, or null where the parameter means nothing. By `external` the client itself leads
   * the PSU to where the request can be answered.
   */
  notificationChannels: readonly 'external'[] | null;
  /**
   * At the authorization endpoint: whether parameters must be pushed (FAPI 2 SP 5.3.2.2-1) and whether they must be signed (FAPI 1 Advanced
   * 5.2.2-1).
   */
  authorizationRequest: { pushed: boolean; signed: boolean };
  /** Whether the front channel may carry a bare code: FAPI 1 wants a signed answer, by `code id_token` or JARM (Advanced 5.2.2-2). */
  plainCodeResponse: boolean;
  /** PKCE with S256 (FAPI 2 SP 5.3.2.2-5; FAPI 1 Advanced 5.2.2-18 for pushed requests, where it is always asked for). */
  pkceRequired: boolean;
  /** A refresh token is replaced at each use, or stays (FAPI 2 SP 5.3.2.1-9). */
  refreshTokens: 'rotated' | 'kept';
  /** How often a TPP may poll and how long a request lives, where the profile says so itself; null for the settings. */
  cibaTimes: { intervalSeconds: number; expirySeconds: number } | null;
  /** What a poll that came too soon adds to the interval (CIBA Core 1.0, section 11). */
  slowDownSeconds: number;
  /** Whether a `login_hint` may name the tenant behind the user. */
  hintWithTenant: boolean;
  /** Whether a poll after the end of a request is told of that rather than of the answer. */
  expiryFirst: boolean;
  /** Whether a poll that came too soon is told so though the PSU has approved. */
  slowDownFirst: boolean;
  /** Whether an answer by a phone is published as a sign-in besides, as the reference's authentication script does it. */
  publishesPushSignIns: boolean;
  /** The words of refusals. */
  errorWords: ErrorWords;
  /** What the callback of a subscription is sent: a bare security event token (RFC 8935, section 2.1), or what the reference sends. */
  eventCallback: 'RFC 8935' | 'reference';
  /**
   * What a registration answers and which redirect URIs it has: as RFC 7591 says, or as the reference does, which registers all of those of
   * the software statement, keeps a notification endpoint that nobody calls, implies the scope `openid`, and is read with an access token too.
   */
  registration: 'RFC 7591' | 'reference';
  /** What holds for clients that register themselves. */
  selfRegistration: {
    authMethods: readonly AuthMethod[];
    /** Whether they may have this profile there: laxer ones than FAPI's only with a software statement that was verified, or not at all. */
    inProduction: 'yes' | 'with a software statement' | 'no';
    /** Whether their tokens are bound to a certificate where they do not say. */
    certificateBound: 'yes' | 'in production' | 'no';
    /** Whether a piece of software has one of them at a time where the settings do not say. */
    onePerSoftware: boolean;
  };
}

const fapi = {
  authMethods: BY_KEY,
  signingAlgs: SIGNING_ALGS,
  assertionAudience: 'issuer or endpoint',
  senderConstraint: 'certificate',
  deliveryModes: ['poll', 'ping'],
  signedRequestRequired: true,
  requestObjectSeconds: 3600,
  requestObjectAudience: 'issuer',
  requestObjectSkew: { ahead: 60, behind: 0 },
  refusedParameters: [],
  notificationChannels: null,
  authorizationRequest: { pushed: false, signed: true },
  plainCodeResponse: false,
  pkceRequired: false,
  refreshTokens: 'kept',
  cibaTimes: null,
  slowDownSeconds: 5,
  hintWithTenant: false,
  expiryFirst: false,
  slowDownFirst: false,
  publishesPushSignIns: false,
  errorWords: OWN_WORDS,
  eventCallback: 'RFC 8935',
  registration: 'RFC 7591',
  selfRegistration: { authMethods: BY_KEY, inProduction: 'yes', certificateBound: 'yes', onePerSoftware: false },
} as const satisfies Profile;

const plain = {
  ...fapi,
  authMethods: AUTH_METHODS,
  senderConstraint: 'as registered',
  deliveryModes: DELIVERY_MODES,
  signedRequestRequired: false,
  authorizationRequest: { pushed: false, signed: false },
  plainCodeResponse: true,
  pkceRequired: true,
  refreshTokens: 'rotated',
  selfRegistration: { authMethods: AUTH_METHODS, inProduction: 'no', certificateBound: 'no', onePerSoftware: false },
} as const satisfies Profile;

/** The profiles by their names. */
export const PROFILES = {
  'fapi-ciba': fapi,
  'fapi1-advanced': fapi,
  fapi2: {
    ...fapi,
    signingAlgs: CLIENT_SIGNING_ALGS,
    assertionAudience: 'issuer',
    senderConstraint: 'certificate or dpop',
    authorizationRequest: { pushed: true, signed: false },
    plainCodeResponse: true,
    pkceRequired: true,
  },
  'wso2-compat': {
    ...plain,
    requestObjectAudience: 'one of issuer and endpoints',
    requestObjectSkew: { ahead: 300, behind: 300 },
    refusedParameters: ['login_hint_token', 'actor_token'],
    notificationChannels: ['external'],
    pkceRequired: false,
    cibaTimes: { intervalSeconds: 2, expirySeconds: 3600 },
    slowDownSeconds: 3,
    hintWithTenant: true,
    expiryFirst: true,
    slowDownFirst: true,
    publishesPushSignIns: true,
    errorWords: REFERENCE_WORDS,
    eventCallback: 'reference',
    registration: 'reference',
    selfRegistration: {
      authMethods: ['private_key_jwt', 'tls_client_auth'],
      inProduction: 'with a software statement',
      certificateBound: 'in production',
      onePerSoftware: true,
    },
  },
  plain,
} as const satisfies Record<string, Profile>;

export type ProfileName = keyof typeof PROFILES;
export const PROFILE_NAMES = Object.keys(PROFILES) as [ProfileName, ...ProfileName[]];
