/** Where everything is served. */
export const PATHS = {
  backchannelAuthentication: '/oauth2/ciba',
  backchannelCancellation: '/oauth2/ciba/cancel',
  /** Where a PSU signs in and answers what waits, in a browser. */
  answer: '/oauth2/ciba/answer',
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
  intents: '/open-banking/v3.1',
  eventNotifications: '/api/openbanking/event-notifications',
  consentAuthorize: '/api/openbanking/consent/authorize',
  consentManage: '/api/openbanking/consent/manage',
  consentValidate: '/api/openbanking/consent/validate',
  consentAdmin: '/api/openbanking/consent/admin',
  consentPortal: '/ob_consent/v1/admin',
  approver: '/approver/v1',
  receipts: '/receipts/v1',
  audit: '/audit/v1',
  admin: '/admin/v1',
  tlog: '/tlog',
} as const;

/** Where a node says how it is. */
export const OPERATOR_PATHS = { live: '/livez', ready: '/readyz', metrics: '/metrics' } as const;

/** The base URLs of the two listeners; the issuer is the first one. */
export interface Surface {
  issuer: string;
  mtlsBase: string;
}
