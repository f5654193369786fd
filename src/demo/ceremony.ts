import { randomInt } from 'node:crypto';
import * as openid from 'openid-client';
import { accountsIn, askForEnrolment, enrol, type Fetch } from './phone.ts';

/** One fact of the log, as far as the demo shows it. */
export interface Fact {
  position: number;
  recordedAt: number;
  type: string;
  correlationId: string;
  stream: string;
}

export interface DemoSettings {
  issuer: string;
  fetch: Fetch;
  sandbox: { client: { clientId: string; clientSecret: string }; psus: readonly { username: string; password: string }[] };
  log: { head(): Promise<number>; readAll(afterPosition: number, limit: number): Promise<readonly Fact[]> };
  print(line: string): void;
}

/** A step did not do what it should. */
export class DemoFailed extends Error {
  override name = 'DemoFailed';
}

const CONSENTS = '/open-banking/v3.1/aisp/account-access-consents';
const PERMISSIONS = ['ReadAccountsDetail', 'ReadBalances'];
const MANY = 100_000;
const RECORDED_WITHIN_MS = 5000;

/**
 * The whole ceremony over HTTPS: openid-client as the TPP, a simulated phone with its own key as the PSU's device. Prints every step with
 * the facts that it recorded and their moments; a step that goes wrong throws `DemoFailed`.
 */
export const playCeremony = async (settings: DemoSettings): Promise<void> => {
  const failed = new AbortController();
  try {
    await play(settings, failed.signal);
  } finally {
    // A poll that nobody waits for any more would go on until its request expires.
    failed.abort();
  }
};

const play = async ({ issuer, fetch, sandbox, log, print }: DemoSettings, signal: AbortSignal): Promise<void> => {
  const [psu] = sandbox.psus;
  if (psu === undefined) throw new DemoFailed('the sandbox has no PSU');
  const stories = new Set<string>();
  let seen = await log.head();
  let deviceId = '';
  /** The PSU may have other phones, which are woken too. */
  const isPushToOthers = ({ stream }: Fact) => stream.startsWith('push-') && !stream.includes(`.${deviceId}.`);

  /** Prints a step, and the facts of this demo that were recorded since the step before. It must be exactly these. */
  const step = async (title: string, ...expected: string[]) => {
    print(`\n${title}`);
    const deadline = Date.now() + RECORDED_WITHIN_MS;
    let facts: Fact[] = [];
    while (true) {
      facts = (await log.readAll(seen, MANY)).filter((fact) => stories.has(fact.correlationId) && !isPushToOthers(fact));
      if (facts.length >= expected.length || Date.now() > deadline) break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    for (const { position, recordedAt, type } of facts) print(`  ${new Date(recordedAt).toISOString()}  ${type}  (event ${position})`);
    check(facts.map((fact) => fact.type).join() === expected.join(), `expected ${expected.join(', ') || 'no fact'} here`);
    seen = facts.at(-1)?.position ?? seen;
  };

  const tpp = await openid.discovery(
    new URL(issuer),
    sandbox.client.clientId,
    undefined,
    openid.ClientSecretBasic(sandbox.client.clientSecret),
    {
      [openid.customFetch]: fetch as openid.CustomFetch,
    },
  );
  await step(`The TPP ${sandbox.client.clientId} reads the metadata of ${issuer}`);

  const own = await openid.clientCredentialsGrant(tpp, { scope: 'accounts' });
  const lodged = await fetch(issuer + CONSENTS, {
    method: 'POST',
    headers: { authorization: `Bearer ${own.access_token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ Data: { Permissions: PERMISSIONS }, Risk: {} }),
  });
  check(lodged.status === 201, `the consent was not lodged: ${lodged.status}`);
  const consentId = ((await lodged.json()) as { Data: { ConsentId: string } }).Data.ConsentId;
  stories.add(consentId);
  await step(`The TPP lodges consent ${consentId} for ${PERMISSIONS.join(' and ')}`, 'ConsentLodged');

  const discovery = await askForEnrolment(fetch, issuer, psu);
  const phone = await enrol(fetch, discovery, { pushToken: 'demo-push-token' });
  deviceId = phone.deviceId;
  stories.add(deviceId);
  await step(`${psu.username} enrols a phone, which registers the key that it made`, 'DeviceEnrolmentOffered', 'DeviceRegistered');

  try {
    const bindingMessage = `DEMO-${randomInt(1000, 10_000)}`;
    const asked = await openid.initiateBackchannelAuthentication(tpp, {
      scope: 'openid accounts',
      login_hint: psu.username,
      binding_message: bindingMessage,
      openbanking_intent_id: consentId,
    });
    await step(`The TPP asks for ${psu.username}'s consent, and the phone is woken`, 'CibaRequestReceived', 'DevicePushAccepted');

    const polling = openid.pollBackchannelAuthenticationGrant(tpp, asked, undefined, { signal });
    // A failure of the phone comes first; then nobody waits for the poll any more.
    polling.catch(() => undefined);
    const request = (await phone.requests()).find((waiting) => waiting.binding_message === bindingMessage);
    if (request === undefined) throw new DemoFailed('the request is not on the phone');
    const shown = await phone.retrieve(request.request_id);
    await step(`The phone shows what ${request.client_name} asks: ${shown.shown}`, 'ConsentRetrieved');

    const [account] = accountsIn(shown);
    await phone.send(shown.request_id, await phone.sign(shown, 'approved', account === undefined ? [] : [account]));
    await step(`${psu.username} chooses the first account and approves; the phone signs`, 'CibaRequestApproved', 'ConsentAuthorised');

    print(`\nThe TPP polls, every ${asked.interval} seconds …`);
    const tokens = await polling;
    check(tokens.claims()?.['openbanking_intent_id'] === consentId, 'the ID token is for another consent');
    await step(
      'The TPP has its tokens, and openid-client has verified the ID token',
      'CibaRequestRedeemed',
      'GrantOpened',
      'AccessTokenIssued',
      'RefreshTokenIssued',
    );

    const active = await openid.tokenIntrospection(tpp, tokens.access_token);
    check(active.active, 'the access token is not active');
    await step(`The access token is active for "${active.scope}" of consent ${consentId}`);

    await phone.revokeConsent(consentId);
    const ended = await openid.tokenIntrospection(tpp, tokens.access_token);
    check(!ended.active, 'the access token outlived its consent');
    await step(`${psu.username} takes the consent back: the token is inactive at once`, 'ConsentRevoked', 'GrantRevoked');
  } finally {
    // Also after a step that went wrong: a PSU may have only so many devices.
    await phone.revokeDevice(deviceId);
  }
  await step('The phone is thrown away', 'DeviceRevoked');
  print(`\nAll of it, in order: npm run countersign -- history ${consentId}`);
};

const check = (right: boolean, otherwise: string): void => {
  if (!right) throw new DemoFailed(otherwise);
};
