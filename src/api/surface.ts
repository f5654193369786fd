/** Where everything is served. */
export const PATHS = {
  backchannelAuthentication: '/oauth2/ciba',
  backchannelCancellation: '/oauth2/ciba/cancel',
  pushedAuthorization: '/oauth2/par',
  authorization: '/oauth2/authorize',
  login: '/oauth2/authorize/login',
  consent: '/oauth2/authorize/consent',
  token: '/oauth2/token',
  introspection: '/oauth2/introspect',
  revocation: '/oauth2/revoke',
  userinfo: '/oauth2/userinfo',
  jwks: '/oauth2/jwks',
  registration: '/open-banking/0.1/register',
  registrationAlias: '/oauth2/register',
  accountAccessConsents: '/open-banking/v3.1/aisp/account-access-consents',
  approver: '/approver/v1',
} as const;

/** The base URLs of the two listeners; the issuer is the first one. */
export interface Surface {
  issuer: string;
  mtlsBase: string;
}
