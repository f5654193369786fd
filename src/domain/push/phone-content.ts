import type { PhoneDialect } from '../device/events.ts';
import type { ConsentDatum } from '../ports/consent-steps.ts';
import type { PsuName } from '../ports/psu-directory.ts';
import type { PushContent } from '../ports/push-sender.ts';

/** What a phone of the reference is told of a request. */
export interface Telling {
  deviceId: string;
  /** The UUID of the request, and the one of this push. */
  sessionDataKey: string;
  challenge: string;
  name: PsuName;
  tenantDomain: string;
  client: { name: string; url: string | null };
  consentData: readonly ConsentDatum[];
  accounts: readonly { account_id: string; display_name: string }[];
  type: string;
  bindingMessage: string | null;
}

/** A push, and whether all of what is asked stands in it: only then can the phone approve. */
export interface Told {
  content: PushContent;
  whole: boolean;
}

/** What Firebase Cloud Messaging takes: keys and values of `data` and the notification together. */
export const MOST_BYTES = 4096;

const TOO_LONG = 'This is too much to be shown here. You can refuse it here, and answer it elsewhere.';

/**
 * The push of the older dialect or of the newer one. What does not fit into it is not told in part: the phone gets an error instead, beside
 * as much of the names as leaves room for it.
 */
export const phoneContent = (dialect: PhoneDialect, telling: Telling, mostBytes = MOST_BYTES): Told => {
  const contentOf = dialect === 'push' ? newerContent : olderContent;
  const whole = contentOf(telling, metadataOf(telling));
  if (bytesOf(whole) <= mostBytes) return { content: whole, whole: true };
  const short = shortened(telling);
  return { content: contentOf(short, metadataOf(short, TOO_LONG)), whole: false };
};

const NAME_CHARACTERS = 60;

const shortened = ({ name, client, type, ...telling }: Telling): Telling => ({
  ...telling,
  name: { username: startOf(name.username), givenName: null, familyName: null },
  client: { name: startOf(client.name), url: null },
  type: startOf(type),
  consentData: [],
  accounts: [],
});

const startOf = (text: string): string => {
  const characters = [...text];
  return characters.length <= NAME_CHARACTERS ? text : `${characters.slice(0, NAME_CHARACTERS).join('')}…`;
};

const metadataOf = ({ consentData, accounts, type, client, bindingMessage }: Telling, isError?: string): string =>
  JSON.stringify({
    ...{ consentData, accounts, type, application: client.name },
    ...(isError !== undefined && { isError }),
    ...(bindingMessage !== null && { binding_message: bindingMessage }),
  });

// No browser takes part in a request over CIBA: what would be told of it is empty.
const NO_BROWSER = '';

const olderContent = ({ deviceId, sessionDataKey, challenge, name, tenantDomain, client }: Telling, metadata: string): PushContent => {
  const body = bodyOf(name, client);
  return {
    body,
    data: {
      ...{ deviceId, challenge, sessionDataKey, body },
      username: name.username,
      displayName: displayNameOf(name),
      organization: tenantDomain,
      applicationName: client.name,
      ...(client.url !== null && { applicationUrl: client.url }),
      ...{ ipAddress: NO_BROWSER, browserName: NO_BROWSER, deviceName: NO_BROWSER },
      metadata,
    },
  };
};

/** The newer dialect has no place for what is asked; it stands in `metadata` as in the older one. */
const newerContent = (telling: Telling, metadata: string): PushContent => {
  const { deviceId, sessionDataKey, challenge, name, tenantDomain, client } = telling;
  return {
    body: bodyOf(name, client),
    data: {
      relativePath: '/push-auth/authenticate',
      username: name.username,
      ...{ organizationId: tenantDomain, organizationName: tenantDomain, tenantDomain, userStoreDomain: 'PRIMARY' },
      applicationName: client.name,
      notificationScenario: 'AUTHENTICATION',
      pushId: sessionDataKey,
      challenge,
      numberChallenge: numberChallengeOf(telling) ?? '',
      ...{ ipAddress: NO_BROWSER, deviceOS: NO_BROWSER, browser: NO_BROWSER, deviceId },
      metadata,
    },
  };
};

/**
 * The number that an approval of the newer dialect must bring back, or null. The PSU reads it at the TPP, so it is the binding message that
 * the TPP has sent, where that is a number of one to three digits (CIBA Core 1.0, section 7.1).
 */
export const numberChallengeOf = ({ bindingMessage }: { bindingMessage: string | null }): string | null =>
  bindingMessage !== null && /^[0-9]{1,3}$/.test(bindingMessage) ? bindingMessage : null;

/** First and last name, or the user name where there is none. */
export const displayNameOf = ({ username, givenName, familyName }: PsuName): string =>
  [givenName, familyName].filter((part) => part !== null).join(' ') || username;

const bodyOf = ({ username }: PsuName, { name }: Telling['client']): string => `${username} is requesting to log into ${name}`;

/** How much of what the push service takes a push needs. */
export const bytesOf = ({ body, data }: PushContent): number =>
  Object.entries(data).reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), Buffer.byteLength(body));
