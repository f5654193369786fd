import { createHash, createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, expect, test } from '@jest/globals';
import pino from 'pino';
import { systemClock, systemIds } from '../../src/adapters/clock.ts';
import { sqliteEventStore } from '../../src/adapters/event-store/sqlite.ts';
import { thumbprintOf } from '../../src/adapters/jose/imported-key.ts';
import { hashPassword } from '../../src/adapters/psu-directory/password.ts';
import { history } from '../../src/cli/history.ts';
import { erasePsu } from '../../src/cli/psu.ts';
import { verify } from '../../src/cli/verify.ts';
import { type Config, loadConfig } from '../../src/config.ts';
import { accountsIn, askForEnrolment, enrol } from '../../src/demo/phone.ts';
import { trustingFetch } from '../../src/demo/trusting-fetch.ts';
import { requestIdOf } from '../../src/domain/ciba-request/id.ts';
import { client, register as registerClient } from '../../src/domain/client/decider.ts';
import { CIBA_GRANT, clientMetadata } from '../../src/domain/client/metadata.ts';
import { closingAfter } from '../../src/domain/closing.ts';
import { amend, consent } from '../../src/domain/consent/decider.ts';
import { device, offer, register } from '../../src/domain/device/decider.ts';
import { erasedPsu } from '../../src/projections/psu-data.ts';
import { type Serving, serve } from '../../src/serve.ts';
import { answerIn, browser, decide, signIn } from '../support/browser.ts';
import { notificationEndpoint } from '../support/notification-endpoint.ts';
import { CALLBACK } from '../support/redirecting.ts';
import { freshEnvironment, temporaryFolder } from '../support/served.ts';
import { until } from './support.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

type Form = Record<string, string>;
const PSUS = ['alice', 'bob'] as const;
type Who = (typeof PSUS)[number];
const psuIdOf = (who: Who) => `psu-${who}`;

/** Words that stand nowhere but where a flow puts them: each of them in another place. */
const canaries = (who: Who) => {
  const all: string[] = [];
  const word = (length = 20): string => {
    const made = `CANARY${who[0]}${randomBytes(16).toString('hex')}`.slice(0, length);
    all.push(made);
    return made;
  };
  return { all, word };
};
type Canaries = ReturnType<typeof canaries>;

/** What a PSU is called, and has, where the engine asks: that file is the bank's, and lies elsewhere. */
const directoryOf = async (
  words: Readonly<Record<Who, Canaries>>,
): Promise<{ file: string; people: Record<Who, { username: string; password: string }> }> => {
  const file = join(temporaryFolder(), 'psus.json');
  const people = {} as Record<Who, { username: string; password: string }>;
  const psus = [];
  for (const who of PSUS) {
    const { word } = words[who];
    const [username, password] = [word(), word()];
    people[who] = { username, password };
    psus.push({
      psu_id: psuIdOf(who),
      username,
      first_name: word(),
      last_name: word(),
      password_hash: await hashPassword(password),
      accounts: [{ account_id: word(), display_name: word() }],
    });
  }
  writeFileSync(file, JSON.stringify({ psus }));
  return { file, people };
};

const secret = 's3cret-of-a-client';

/** An engine in files, whose every word is heard. */
const start = async (config: Config, heard: string[]): Promise<Serving> => {
  const say = (line: string) => void heard.push(line);
  const serving = await serve(config, { say, log: pino({ level: 'trace' }, { write: say }) });
  closers.push(serving.close);
  return serving;
};

const registered = async (serving: Serving, clientId: string, metadata: object): Promise<Form> => {
  const full = clientMetadata.parse({
    client_name: 'A TPP',
    profile: 'plain',
    token_endpoint_auth_method: 'client_secret_post',
    tls_client_certificate_bound_access_tokens: false,
    ...metadata,
  });
  const command = { id: systemIds.uuid(), actor: { kind: 'operator', id: 'test' } as const, correlationId: clientId, causationId: null };
  const { position } = await serving.engine.decide(client, clientId, registerClient(full, systemIds.hash(secret), systemClock()), command);
  await serving.engine.readModels.reached(position);
  return { client_id: clientId, client_secret: secret };
};

/** Puts a word of a PSU wherever a flow takes one. Gives the consent that was lodged for them. */
const flowsOf = async (
  serving: Serving,
  { issuer, ca, pinged }: { issuer: string; ca: string; pinged: string },
  { person, words, who }: { person: { username: string; password: string }; words: Canaries; who: Who },
): Promise<string> => {
  const { word } = words;
  const fetch = trustingFetch(ca);
  const { engine } = serving;
  const post = async (path: string, form: Form) => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const response = await fetch(issuer + path, { method: 'POST', headers, body: new URLSearchParams(form).toString() });
    return { status: response.status, body: (await response.json()) as Record<string, string> };
  };
  const tpp = await registered(serving, `tpp-of-${who}`, {
    grant_types: [CIBA_GRANT, 'authorization_code', 'client_credentials', 'refresh_token'],
    response_types: ['code'],
    redirect_uris: [CALLBACK],
    scope: 'openid accounts payments',
    authorization_details_types: ['payment_initiation'],
  });
  const phone = await enrol(fetch, await askForEnrolment(fetch, issuer, person), { name: word(), model: word(), pushToken: word(40) });
  await phone.replacePushToken(word(40));
  await phone.call('PATCH', `/devices/${phone.deviceId}`, { name: word() }).catch(() => undefined);

  // A phone of the reference: what it is called stands in the read models.
  const as = () => ({ id: systemIds.uuid(), actor: { kind: 'operator', id: 'test' } as const, correlationId: who, causationId: null });
  const [at, deviceId] = [systemClock(), `phone-of-${who}`];
  const [psuId, challengeHash] = [psuIdOf(who), systemIds.hash(who)];
  await engine.decide(device, deviceId, offer({ psuId, challengeHash, at, expiresAt: at + 60 }, word(40)), as());
  const { x = '' } = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' });
  const publicKey = { kty: 'OKP' as const, crv: 'Ed25519' as const, x };
  const theirs = {
    challengeHash,
    publicKey,
    keyThumbprint: thumbprintOf(createPublicKey({ key: publicKey, format: 'jwk' })),
    dialect: 'push-auth' as const,
    name: word(),
    model: word(),
    pushToken: word(40),
    at,
  };
  const { position } = await engine.decide(
    device,
    deviceId,
    register(theirs, () => null),
    as(),
  );
  await engine.readModels.reached(position);

  // A payment that is lodged, asked for, shown, answered and redeemed.
  const own = await post('/oauth2/token', { ...tpp, grant_type: 'client_credentials', scope: 'payments' });
  const account = (name: string) => ({ SchemeName: 'UK.OBIE.SortCodeAccountNumber', Identification: name, Name: word() });
  const initiation = {
    ...{
      InstructionIdentification: 'ACME412',
      EndToEndIdentification: 'FRESCO.21302.GFX.20',
      InstructedAmount: { Amount: '1.00', Currency: 'GBP' },
    },
    ...{
      DebtorAccount: account(word()),
      CreditorAccount: account(word()),
      RemittanceInformation: { Reference: word(), Unstructured: word() },
    },
  };
  const sent = (path: string, body: string, type: string) =>
    fetch(`${issuer}/open-banking/v3.1/pisp/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${own.body['access_token']}`, 'content-type': type, 'x-idempotency-key': systemIds.uuid() },
      body,
    });
  const lodge = async (name: string, body: object) => {
    const lodged = await sent(name, JSON.stringify(body), 'application/json');
    return ((await lodged.json()) as { Data: { ConsentId: string } }).Data;
  };
  const Data = await lodge('domestic-payment-consents', {
    ...{ Data: { Initiation: initiation }, Risk: { MerchantCustomerIdentification: word() } },
  });
  const asked = await post('/oauth2/ciba', {
    ...{ ...tpp, scope: 'openid payments', login_hint: person.username, openbanking_intent_id: Data.ConsentId },
    ...{ binding_message: word(), request_context: JSON.stringify({ device: word(), [word()]: 1 }) },
  });
  const approve = async (authReqId: string) => {
    const shown = await phone.retrieve(requestIdOf(authReqId, systemIds));
    await phone.send(shown.request_id, await phone.sign(shown, 'approved', accountsIn(shown)));
  };
  await approve(asked.body['auth_req_id'] as string);
  const tokens = await post('/oauth2/token', { ...tpp, grant_type: CIBA_GRANT, auth_req_id: asked.body['auth_req_id'] as string });
  expect(tokens.body['access_token']).toBeDefined();

  // A file of payments, which is uploaded and approved; then its consent is amended.
  const file = JSON.stringify({ payments: [{ to: word(), reference: word() }] });
  const FileHash = createHash('sha256').update(file).digest('base64');
  const Initiation = { FileType: 'UK.OBIE.PaymentInitiation.3.1', FileHash, FileReference: word(), NumberOfTransactions: '1' };
  const { ConsentId: inFile } = await lodge('file-payment-consents', { Data: { Initiation } });
  expect((await sent(`file-payment-consents/${inFile}/file`, file, 'text/plain')).status).toBe(200);
  const { body: askedForFile } = await post('/oauth2/ciba', {
    ...{ ...tpp, scope: 'openid payments', login_hint: person.username, openbanking_intent_id: inFile },
  });
  await approve(askedForFile['auth_req_id'] as string);
  const state = await engine.load(consent, inFile);
  if (state.status === 'absent') throw new Error(inFile);
  const terms = { content: state.content, expiresAt: null, reason: 'other terms', at: systemClock() };
  const receipt = { Data: { Initiation: { FileReference: word() } }, Risk: { MerchantCustomerIdentification: word() } };
  const amendment = await engine.decide(
    consent,
    inFile,
    amend(terms, receipt, () => null),
    as(),
  );
  await engine.readModels.reached(amendment.position);

  // Authorization details, and one request that is left waiting.
  const details = {
    type: 'payment_initiation',
    instructedAmount: { currency: 'EUR', amount: '1.00' },
    creditorName: word(),
    creditorAccount: { iban: 'DE02100100109307118603' },
    remittanceInformationUnstructured: word(),
  };
  const detailed = await post('/oauth2/ciba', {
    ...tpp,
    scope: 'openid accounts',
    login_hint: person.username,
    authorization_details: JSON.stringify([details]),
  });
  await approve(detailed.body['auth_req_id'] as string);
  await post('/oauth2/ciba', { ...tpp, scope: 'openid accounts', login_hint: person.username, binding_message: word() });

  // A client that is pinged, and one that is pushed to: what is told to them stands in the log before.
  for (const mode of ['ping', 'push'] as const) {
    const told = await registered(serving, `${mode}ed-for-${who}`, {
      grant_types: [CIBA_GRANT],
      backchannel_token_delivery_mode: mode,
      backchannel_client_notification_endpoint: pinged,
    });
    const { body } = await post('/oauth2/ciba', {
      ...told,
      scope: 'openid accounts',
      login_hint: person.username,
      client_notification_token: word(40),
    });
    words.all.push(body['auth_req_id'] as string);
    await approve(body['auth_req_id'] as string);
  }

  // The redirect flow, with a wrong password first.
  const at2 = browser(issuer, fetch as unknown as typeof globalThis.fetch);
  const wanted = {
    client_id: tpp['client_id'] as string,
    response_type: 'code',
    redirect_uri: CALLBACK,
    scope: 'openid accounts',
    login_hint: person.username,
  };
  const verifier = randomBytes(32).toString('base64url');
  const page = await at2.get(
    `/oauth2/authorize?${new URLSearchParams({ ...wanted, state: word(), nonce: word(), code_challenge: systemIds.hash(verifier), code_challenge_method: 'S256' })}`,
  );
  const once = await signIn(at2, page, person.username, word());
  const { goesTo } = await decide(at2, await signIn(at2, once, person.username, person.password), 'approved');
  const { code = '' } = answerIn(goesTo);
  expect(code).not.toBe('');
  expect(
    (await post('/oauth2/token', { ...tpp, grant_type: 'authorization_code', code, redirect_uri: CALLBACK, code_verifier: verifier }))
      .status,
  ).toBe(200);
  return Data.ConsentId;
};

const filesIn = (dir: string): string[] =>
  readdirSync(dir).flatMap((name) => {
    const path = join(dir, name);
    return statSync(path).isDirectory() ? filesIn(path) : [path];
  });

/** The ways in which a word may stand somewhere: as it is, in base64 at each of three offsets, in hexadecimal. */
const spellings = (word: string): string[] => {
  const base64 = [0, 1, 2].flatMap((offset) => {
    const text = Buffer.from('x'.repeat(offset) + word).toString('base64');
    // Only what does not depend on what stands beside it.
    const inner = text.slice(offset === 0 ? 0 : 4, -4);
    return [inner, inner.replaceAll('+', '-').replaceAll('/', '_')];
  });
  return [word, ...base64, Buffer.from(word).toString('hex')];
};

/** Where any of the words stands. */
const found = (words: readonly string[], places: ReadonlyMap<string, string>): string[] =>
  [...places].flatMap(([place, text]) =>
    words.filter((word) => spellings(word).some((spelling) => text.includes(spelling))).map((word) => `${place}: ${word}`),
  );

const bytesUnder = (dir: string): Map<string, string> =>
  new Map(filesIn(dir).map((file) => [file.slice(dir.length), readFileSync(file, 'latin1')]));

const keysIn = (dataDir: string): { psu_id: string; name: string; wrapped: string | null }[] => {
  const db = new DatabaseSync(join(dataDir, 'keys/psu-keys.sqlite'));
  try {
    return db.prepare('select psu_id, name, wrapped from sealing_key').all() as ReturnType<typeof keysIn>;
  } finally {
    db.close();
  }
};

const keysOf = (keys: ReturnType<typeof keysIn>, isTheirs: (psuId: string) => boolean): string[] =>
  keys.filter(({ psu_id, wrapped }) => isTheirs(psu_id) && wrapped !== null).map(({ wrapped }) => wrapped as string);

test('no word of two people stands anywhere after they were erased, one by the API and one by the command', async () => {
  const words = { alice: canaries('alice'), bob: canaries('bob') };
  const { file, people } = await directoryOf(words);
  const endpoint = await notificationEndpoint({ plain: true });
  closers.push(endpoint.close);
  const env = await freshEnvironment({
    COUNTERSIGN_PSU_DIRECTORY_FILE: file,
    COUNTERSIGN_OUTBOUND_ALLOWED_HOSTS: new URL(endpoint.url).host,
    COUNTERSIGN_LOG_LEVEL: 'debug',
  });
  const { config } = loadConfig({ env, cwd: '/nonexistent' });
  const { dataDir } = config;
  const heard: string[] = [];
  let serving = await start(config, heard);
  const ca = readFileSync(join(dataDir, 'tls/ca.pem'), 'utf8');
  const at = { issuer: serving.engine.surface.issuer, ca, pinged: endpoint.url.replace('http:', 'https:') };
  const consents: string[] = [];
  for (const who of PSUS) consents.push(await flowsOf(serving, at, { person: people[who], words: words[who], who }));
  expect(words.alice.all.length).toBeGreaterThan(30);
  expect(heard.length).toBeGreaterThan(30);
  // They are there: whoever has the keys can read them, and the read models show some.
  expect(found(words.alice.all, bytesUnder(dataDir)).join()).toContain('read-models');
  const textOf = async (path: string) => (await trustingFetch(ca)(`${at.issuer}${path}`)).text();
  await until(async () => (await textOf('/tlog/checkpoint')).includes('\n\n'));
  const [checkpoint, vkey] = [await textOf('/tlog/checkpoint'), (await textOf('/tlog/key')).trim()];
  await serving.close();

  // Half of it is in the archive.
  const log = sqliteEventStore(join(dataDir, 'log.sqlite'));
  while (log.archiveSome(closingAfter({ requestDays: 1, deliveryDays: 1, grantDays: 1 }), systemClock() + 3 * 86_400));
  await log.close();
  expect(statSync(join(dataDir, 'archive/log.sqlite')).size).toBeGreaterThan(40_000);
  const before = keysIn(dataDir);
  expect(before.filter(({ psu_id }) => psu_id === 'psu-alice').length).toBeGreaterThan(2);

  serving = await start(config, heard);
  const operator = await registered(serving, 'operator', {
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: ['client_credentials'],
    scope: 'psus:erase audit',
  });
  const basic = `Basic ${Buffer.from(`${operator['client_id']}:${secret}`).toString('base64')}`;
  const fetch = trustingFetch(ca);
  const erased = await fetch(`${at.issuer}/admin/v1/psus/psu-alice/erasure`, {
    method: 'POST',
    headers: { authorization: basic, 'content-type': 'application/json' },
    body: JSON.stringify({ reason: 'case 4711' }),
  });
  expect(erased.status).toBeLessThan(300);
  await until(() => erasedPsu(serving.engine.readModels.rows, 'psu-alice')?.destroyedAt != null);
  // At once, while the engine runs.
  expect(found(words.alice.all, bytesUnder(dataDir))).toEqual([]);
  expect(
    found(
      keysOf(before, (psuId) => psuId === 'psu-alice' || psuId === `consent ${consents[0]}`),
      bytesUnder(dataDir),
    ),
  ).toEqual([]);
  await expect(erasePsu(config, 'psu-bob', 'case 4712', () => undefined)).rejects.toThrow('an engine is running');
  const exported: string[] = [];
  const granted = await fetch(`${at.issuer}/oauth2/token`, {
    method: 'POST',
    headers: { authorization: basic, 'content-type': 'application/x-www-form-urlencoded' },
    body: 'grant_type=client_credentials&scope=audit',
  });
  const { access_token: token } = (await granted.json()) as { access_token: string };
  const formats = ['jsonl', 'csv', 'bundle'];
  for (const format of formats) {
    const headers = { authorization: `Bearer ${token}`, 'countersign-purpose': 'test' };
    const response = await fetch(`${at.issuer}/audit/v1/export?format=${format}`, { headers });
    expect(response.status).toBe(200);
    exported.push(await response.text());
  }
  await serving.close();

  for (const who of ['bob'] as const) await erasePsu(config, psuIdOf(who), 'case 4712', (line) => void heard.push(line));
  for (const consentId of consents) await history(config, consentId, true, (line) => void exported.push(line));

  // The log still verifies, against the checkpoint that was signed before anybody was erased, with the keys that are left and without.
  const kept = join(temporaryFolder(), 'checkpoint');
  writeFileSync(kept, checkpoint);
  const of = { checkpoints: [kept], key: null, witnesses: [], quorum: 0, json: true, consentId: null, source: dataDir };
  for (const keys of [join(dataDir, 'keys'), null])
    expect([
      keys,
      await verify({ ...of, keys, key: vkey }, { print: (line) => void heard.push(line), progress: null }),
      heard.at(-1),
    ]).toEqual([keys, true, heard.at(-1)]);

  const both = [...words.alice.all, ...words.bob.all];
  expect(found(both, bytesUnder(dataDir))).toEqual([]);
  expect(
    found(
      both,
      new Map([
        ['output', heard.join('\n')],
        ['history', exported.slice(formats.length).join('\n')],
      ]),
    ),
  ).toEqual([]);
  // Exported when only Alice was erased.
  expect(found(words.alice.all, new Map([['export', exported.slice(0, formats.length).join('\n')]]))).toEqual([]);
  expect(exported[0]).toContain('erased');

  // No key is left that opens anything of theirs, nor a trace of one.
  const theirs = (psuId: string) => PSUS.some((who) => psuId === psuIdOf(who)) || consents.some((id) => psuId === `consent ${id}`);
  expect(keysIn(dataDir).filter(({ psu_id, wrapped }) => theirs(psu_id) && wrapped !== null)).toEqual([]);
  const gone = keysOf(before, theirs);
  expect(gone.length).toBeGreaterThan(6);
  expect(found(gone, bytesUnder(dataDir))).toEqual([]);
}, 120_000);
