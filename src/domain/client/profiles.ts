/** What a client may do and must do. A rule belongs to the profile that a client is registered with, never to an endpoint. */
export interface Profile {
  authMethods: readonly AuthMethod[];
  /** For client assertions and request objects. */
  signingAlgs: readonly string[];
  /** Authentication parameters count only inside a signed `request` (FAPI-CIBA 5.2.2-6). */
  signedRequestRequired: boolean;
  /** Every token is bound to the certificate of the connection (FAPI 1 Advanced 5.2.2-5, -6). */
  certificateBoundTokens: boolean;
  /** The longest span from `nbf` to `exp` of a request object, and the oldest `nbf` (FAPI 1 Advanced 5.2.2-13, -17). */
  requestObjectSeconds: number;
}

export type AuthMethod =
  | 'private_key_jwt'
  | 'tls_client_auth'
  | 'self_signed_tls_client_auth'
  | 'client_secret_basic'
  | 'client_secret_post';

export const AUTH_METHODS = [
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
  'client_secret_basic',
  'client_secret_post',
] as const satisfies readonly AuthMethod[];
export const SIGNING_ALGS = ['PS256', 'ES256'] as const;

export const PROFILES = {
  'fapi-ciba': {
    authMethods: ['private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth'],
    signingAlgs: SIGNING_ALGS,
    signedRequestRequired: true,
    certificateBoundTokens: true,
    requestObjectSeconds: 3600,
  },
  plain: {
    authMethods: AUTH_METHODS,
    signingAlgs: SIGNING_ALGS,
    signedRequestRequired: false,
    certificateBoundTokens: false,
    requestObjectSeconds: 3600,
  },
} as const satisfies Record<string, Profile>;

export type ProfileName = keyof typeof PROFILES;
export const PROFILE_NAMES = Object.keys(PROFILES) as [ProfileName, ...ProfileName[]];
