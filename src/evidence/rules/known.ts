/**
 * What a member of the public part must be: a text, an integer, a boolean, a list of texts, or a JSON object; with a question mark it may
 * be null.
 */
type Kind = 't' | 't?' | 'n' | 'n?' | 'b' | 'l' | 'o' | 'o?';

/** One version of a type: its members, and whether it has a sealed part. */
export interface KnownVersion {
  readonly members: readonly (readonly [name: string, kind: Kind])[];
  readonly sealed: 'always' | 'never' | 'maybe';
}

/** A type of event: the category of the streams that it stands on, and its versions, oldest first. */
export interface KnownType {
  readonly category: string;
  readonly versions: readonly KnownVersion[];
}

const version = (members: string, sealed: KnownVersion['sealed'] = 'never'): KnownVersion => ({
  members: members.split(' ').map((member) => member.split(':') as [string, Kind]),
  sealed,
});

const CONSENT = 'consentId:t consentOrigin:t';
const RECEIVED = `clientId:t psuId:t ${CONSENT} scope:t acr:t? certificateThumbprint:t? intervalSeconds:n at:n expiresAt:n`;
const ANSWERED = `${CONSENT} psuId:t deviceId:t digest:t keyThumbprint:t at:n`;
const ANSWERED_ANYWHERE = `${CONSENT} psuId:t deviceId:t? digest:t keyThumbprint:t? at:n sessionId:t?`;
const IN_SESSION = `${CONSENT} psuId:t sessionId:t digest:t at:n`;
const PERSISTED = 'requestId:t psuId:t deviceId:t digest:t at:n';
const PERSISTED_ANYWHERE = 'requestId:t psuId:t deviceId:t? digest:t at:n';
const AGREED = version(`${PERSISTED_ANYWHERE} hasAuthorizationDetails:b`, 'always');
const OPENED = 'clientId:t psuId:t? consentId:t? requestId:t? authTime:n? acr:t? scope:t at:n';
const ISSUED = 'tokenHash:t scope:t certificateThumbprint:t? at:n expiresAt:n';
const ATTEMPT = 'flow:t step:t requestId:t? psuChannel:t at:n';
const PUSHED = 'requestId:t deviceId:t psuId:t at:n';
const TOLD = 'requestId:t clientId:t deliveryMode:t at:n';
const WANTED = 'clientId:t callbackUrl:t? eventTypes:l version:t? at:n';
const OF_PSU = version('psuId:t at:n', 'always');

const families: Readonly<Record<string, Readonly<Record<string, readonly KnownVersion[]>>>> = {
  client: {
    ClientRegistered: [version('metadata:o secretHash:t? at:n'), version('metadata:o secretHash:t? at:n registrationTokenHash:t?')],
    ClientMetadataReplaced: [version('metadata:o at:n'), version('metadata:o at:n')],
    ClientDisabled: [version('at:n')],
  },
  device: {
    DeviceEnrolmentOffered: [
      version('psuId:t challengeHash:t at:n expiresAt:n'),
      version('psuId:t challengeHash:t at:n expiresAt:n', 'maybe'),
    ],
    DeviceRegistered: [
      version('psuId:t publicKey:o keyThumbprint:t hasPushToken:b at:n', 'always'),
      version('psuId:t publicKey:o keyThumbprint:t hasPushToken:b at:n dialect:t', 'always'),
    ],
    DeviceRenamed: [OF_PSU],
    DevicePushTokenReplaced: [OF_PSU],
    DevicePushTokenDied: [version('psuId:t tokenRevision:n at:n')],
    DeviceRevoked: [version('psuId:t by:t at:n')],
  },
  consent: {
    ConsentLodged: [
      version('clientId:t content:o expiresAt:n? at:n'),
      version(
        'clientId:t content:o expiresAt:n? at:n consentType:t? authorisers:l recurring:b frequency:n awaitsUpload:b idempotency:o?',
        'maybe',
      ),
    ],
    ConsentFileUploaded: [version('digest:t size:n at:n', 'always')],
    ConsentAuthorisationGiven: [AGREED],
    ConsentAuthorised: [version(PERSISTED, 'always'), AGREED],
    ConsentRejected: [version(PERSISTED), version(PERSISTED_ANYWHERE)],
    ConsentAmended: [version('content:o expiresAt:n? reason:t endedRequests:l at:n', 'always')],
    ConsentRevoked: [version('by:t at:n')],
    ConsentExpired: [version('at:n')],
  },
  cibaRequest: {
    CibaRequestReceived: [version(RECEIVED, 'always'), version(`${RECEIVED} deliveryMode:t dpopKeyThumbprint:t? supersedes:t?`, 'always')],
    ConsentRetrieved: [
      version('psuId:t deviceId:t digest:t nonce:t consentRevision:n at:n', 'always'),
      version('psuId:t deviceId:t? digest:t nonce:t consentRevision:n at:n sessionId:t?', 'always'),
    ],
    CibaRequestApproved: [version(ANSWERED, 'always'), version(ANSWERED, 'always'), version(ANSWERED_ANYWHERE, 'always')],
    CibaRequestDenied: [version(ANSWERED, 'always'), version(ANSWERED_ANYWHERE, 'always')],
    CibaRequestCancelled: [version('reason:t at:n'), version('reason:t at:n')],
    AnswerRefused: [version('deviceId:t reason:t at:n'), version('deviceId:t reason:t at:n')],
    CibaRequestExpired: [version('at:n')],
    CibaRequestRedeemed: [version('grantId:t at:n')],
  },
  authorization: {
    AuthorizationRequested: [
      version(
        `clientId:t psuId:t requiredPsuId:t? ${CONSENT} pushed:b silent:b redirectUri:t responseType:t responseMode:t scope:t acr:t? ` +
          'codeChallenge:t? dpopKeyThumbprint:t? at:n startBy:n expiresAt:n',
        'always',
      ),
    ],
    AuthorizationPsuAuthenticated: [version('psuId:t sessionId:t steps:l at:n')],
    AuthorizationShown: [version('psuId:t sessionId:t digest:t nonce:t consentRevision:n at:n', 'always')],
    AuthorizationApproved: [version(IN_SESSION, 'always')],
    AuthorizationDenied: [version(IN_SESSION)],
    AuthorizationCancelled: [version('at:n')],
    AuthorizationCodeIssued: [version('codeHash:t at:n expiresAt:n')],
    AuthorizationCodeRedeemed: [version('grantId:t at:n')],
  },
  grant: {
    GrantOpened: [version(OPENED), version(`${OPENED} certificateThumbprint:t? dpopKeyThumbprint:t? hasAuthorizationDetails:b`)],
    AccessTokenIssued: [version(ISSUED), version(`${ISSUED} dpopKeyThumbprint:t?`)],
    RefreshTokenIssued: [version('tokenHash:t at:n expiresAt:n'), version('tokenHash:t at:n expiresAt:n replaces:t? nonce:t?')],
    AccessTokenRevoked: [version('tokenHash:t at:n')],
    TokenResponseKept: [version('requestId:t psuId:t at:n', 'always')],
    GrantRevoked: [version('reason:t at:n'), version('reason:t at:n')],
  },
  authentication: {
    AuthenticationSucceeded: [version(`${ATTEMPT} psuId:t`), version(`${ATTEMPT} psuId:t deviceId:t?`)],
    AuthenticationFailed: [
      version(`${ATTEMPT} psuId:t? reason:t`),
      version(`${ATTEMPT} psuId:t? reason:t deviceId:t?`),
      version(`${ATTEMPT} psuId:t? reason:t deviceId:t?`),
    ],
  },
  push: {
    DevicePushAccepted: [
      version(`${PUSHED} messageId:t`),
      version(`${PUSHED} messageId:t tokenRevision:n?`),
      version(`${PUSHED} messageId:t tokenRevision:n? mayRepeat:b`),
    ],
    DevicePushRejected: [
      version(`${PUSHED} reason:t retryAt:n?`),
      version(`${PUSHED} reason:t retryAt:n? tokenRevision:n?`),
      version(`${PUSHED} reason:t retryAt:n? tokenRevision:n? mayRepeat:b`),
    ],
  },
  notification: {
    ClientNotificationAccepted: [version(`${TOLD} status:n`), version(`${TOLD} status:n mayRepeat:b`)],
    ClientNotificationRejected: [
      version(`${TOLD} reason:t status:n? retryAt:n?`),
      version(`${TOLD} reason:t status:n? retryAt:n? mayRepeat:b`),
    ],
  },
  signingKey: {
    SigningKeyPublished: [version('kid:t jwk:o at:n usableFrom:n')],
    SigningKeyActivated: [version('kid:t at:n tokenSeconds:n')],
    SigningKeyRetired: [version('kid:t at:n publishedUntil:n')],
    SigningKeyRemoved: [version('kid:t at:n')],
  },
  eventNotification: {
    EventNotificationCreated: [version('clientId:t psuId:t eventTypes:l changeId:t? at:n', 'always')],
    EventNotificationAcknowledged: [version('at:n')],
    EventNotificationNotDelivered: [version('reason:t status:n? retryAt:n? at:n')],
    EventNotificationErrorReported: [version('err:t at:n', 'always')],
  },
  eventSubscription: {
    EventSubscriptionCreated: [version(WANTED)],
    EventSubscriptionUpdated: [version(WANTED)],
    EventSubscriptionDeleted: [version('clientId:t at:n')],
  },
  audit: {
    AuditRead: [version('clientId:t purpose:t what:t at:n')],
  },
  psu: {
    PsuErased: [version('psuId:t reason:t at:n')],
    PsuKeysDestroyed: [version('psuId:t at:n')],
    PsuDataExpired: [version('psuId:t retention:t period:t at:n')],
  },
};

/** Every type of event there is, by its name. */
export const KNOWN: ReadonlyMap<string, KnownType> = new Map(
  Object.entries(families).flatMap(([category, types]) =>
    Object.entries(types).map(([type, versions]) => [type, { category, versions }] as const),
  ),
);

/** The version that an event is read as: its own, or the newest that is known where the event says that this will do; null for neither. */
export const readAs = ({ versions }: KnownType, stored: number, compatibleFrom: number): KnownVersion | null => {
  const newest = versions.length;
  return versions[(stored > newest && compatibleFrom <= newest ? newest : stored) - 1] ?? null;
};

/** The public part, if it has just the members that its version has; one that is newer than that may have more. Null for any other. */
export const membersIn = (text: string, { members }: KnownVersion, mayHaveMore: boolean): Record<string, unknown> | null => {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return null;
  const found = data as Record<string, unknown>;
  for (const [name, kind] of members) if (!is(found[name], kind)) return null;
  const count = Object.keys(found).length;
  return count === members.length || (mayHaveMore && count > members.length) ? found : null;
};

const is = (value: unknown, kind: Kind): boolean => {
  switch (kind) {
    case 't':
      return typeof value === 'string';
    case 't?':
      return value === null || typeof value === 'string';
    case 'n':
      return Number.isSafeInteger(value);
    case 'n?':
      return value === null || Number.isSafeInteger(value);
    case 'b':
      return typeof value === 'boolean';
    case 'l':
      return Array.isArray(value) && value.every((item) => typeof item === 'string');
    case 'o':
      return isObject(value);
    case 'o?':
      return value === null || isObject(value);
  }
};

/** Whether a JSON value is an object. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
