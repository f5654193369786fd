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
  /** Where clients that register themselves may have this profile: laxer ones than FAPI's only where nothing is at stake. */
  selfRegistration: 'anywhere' | 'development';
}

const fapi = {
  authMethods: BY_KEY,
  signingAlgs: SIGNING_ALGS,
  assertionAudience: 'issuer or endpoint',
  senderConstraint: 'certificate',
  deliveryModes: ['poll', 'ping'],
  signedRequestRequired: true,
  requestObjectSeconds: 3600,
  authorizationRequest: { pushed: false, signed: true },
  plainCodeResponse: false,
  pkceRequired: false,
  refreshTokens: 'kept',
  cibaTimes: null,
  selfRegistration: 'anywhere',
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
  selfRegistration: 'development',
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
  'wso2-compat': { ...plain, pkceRequired: false, cibaTimes: { intervalSeconds: 2, expirySeconds: 3600 } },
  plain,
} as const satisfies Record<string, Profile>;

export type ProfileName = keyof typeof PROFILES;
export const PROFILE_NAMES = Object.keys(PROFILES) as [ProfileName, ...ProfileName[]];
