/** Where everything is served. */
export const PATHS = {
  backchannelAuthentication: '/oauth2/ciba',
  token: '/oauth2/token',
  introspection: '/oauth2/introspect',
  revocation: '/oauth2/revoke',
  jwks: '/oauth2/jwks',
  accountAccessConsents: '/open-banking/v3.1/aisp/account-access-consents',
  approver: '/approver/v1',
} as const;

/** The base URLs of the two listeners; the issuer is the first one. */
export interface Surface {
  issuer: string;
  mtlsBase: string;
}
