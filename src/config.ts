import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { archiveSettings } from './config/archive.ts';
import { authenticationSettings } from './config/authentication.ts';
import { claimName } from './config/claim-name.ts';
import { ConfigError } from './config/config-error.ts';
import { consentSettings, urlsOfSteps } from './config/consent-steps.ts';
import { evidenceOf, evidenceSettings, wrongEvidence } from './config/evidence.ts';
import { count, file, optional, optionalFile, port, seconds, text } from './config/kinds.ts';
import { operatorSettings } from './config/operator.ts';
import { outboundSettings } from './config/outbound.ts';
import { proxySettings, wrongProxy } from './config/proxy.ts';
import { psuSettings, wrongPsu } from './config/psu.ts';
import { onePerSoftware, registrationSettings, wrongRegistration } from './config/registration.ts';
import { retentionSettings } from './config/retention.ts';
import { fromEnvironment, fromFile, type Given, type Setting } from './config/sources.ts';
import { storeSettings, wrongStore } from './config/store.ts';
import { wso2Settings } from './config/wso2.ts';

export { ConfigError };

// Everything is served at the root, so an issuer with a path would name pages that are not there.
const isIssuer = (value: string) => /^https:\/\/[^\s/?#@]+$/.test(value) && URL.canParse(value);

/** Every setting: its name (in the file the same words in snake_case), its type, its default and what it is for. */
const schema = z.strictObject({
  environment: z
    .enum(['development', 'production'])
    .default('development')
    .describe(
      'In development the engine makes what is missing (certificates, keys, a sandbox); in production it refuses to start without.',
    ),
  issuer: z
    .string()
    .refine(isIssuer, 'expected an https URL without path, query or fragment')
    .nullable()
    .default(null)
    .describe('The issuer identifier and base URL that TPPs and phones see; https://localhost:<server.port> if not set.'),
  dataDir: text.default('./data').describe('The directory that holds everything the engine writes.'),
  acrValuesSupported: z
    .array(z.string().regex(/^\S+$/, 'expected a value without spaces'))
    .min(1)
    .default(['urn:openbanking:psd2:sca', 'urn:openbanking:psd2:ca'])
    .describe('The authentication context classes that a TPP may ask for, most wanted first.'),
  server: z.strictObject({
    host: text.default('0.0.0.0').describe('The address that both listeners bind to.'),
    port: port.default(9446).describe('The port of the listener that asks for no client certificate.'),
    mtlsPort: port.default(9447).describe('The port of the listener that asks for a client certificate.'),
    workers: z
      .int()
      .min(1)
      .max(256)
      .default(1)
      .describe('The processes that serve a log in a file; with more than one, another process writes it for all of them.'),
  }),
  store: storeSettings,
  tls: z.strictObject({
    certificateFile: optionalFile.describe('The PEM file of the RSA server certificate with its chain; development makes its own.'),
    keyFile: optionalFile.describe('The PEM file of the private key of the server certificate.'),
    clientCaFiles: z
      .array(file)
      .default([])
      .describe(
        'PEM files of the authorities, up to their roots, whose client certificates tls_client_auth trusts; development adds its own.',
      ),
  }),
  proxy: proxySettings,
  authentication: authenticationSettings,
  ciba: z.strictObject({
    defaultExpirySeconds: seconds.default(300).describe('The life of a CIBA request that names no requested_expiry.'),
    minExpirySeconds: seconds.default(10).describe('The shortest life that a requested_expiry can ask for.'),
    maxExpirySeconds: seconds.default(600).describe('The longest life that a requested_expiry can ask for.'),
    intervalSeconds: seconds.default(5).describe('The seconds that a TPP waits between two polls.'),
    longPollSeconds: z
      .int()
      .nonnegative()
      .default(25)
      .describe('The longest that a poll with `Prefer: wait` waits for the answer; 0 for not at all.'),
  }),
  tokens: z.strictObject({
    accessTokenSeconds: seconds.default(3600).describe('The life of an access token.'),
    idTokenSeconds: seconds.default(3600).describe('The life of an ID token.'),
    refreshTokenSeconds: seconds.default(7_776_000).describe('The life of a refresh token.'),
    audience: optional.describe('The audience of access tokens; the issuer if not set.'),
    consentIdClaim: claimName.default('consent_id').describe('The claim of access tokens that holds the id of the consent.'),
  }),
  limits: z.strictObject({
    bodyBytes: count.default(65_536).describe('The largest request body, but for files of payments.'),
    pendingRequestsPerClient: count.default(10_000).describe('The CIBA requests of one TPP that may wait for an answer at once.'),
    pendingRequestsPerPsu: count.default(20).describe('The CIBA requests for one PSU that may wait for an answer at once.'),
    appends: count
      .default(2048)
      .describe('The appends to the log that may be under way at once before new requests are refused, then polls, answers, revocations.'),
    longPolls: count.default(10_000).describe('The polls that may wait for an answer at once; half of them of one client.'),
    devicesPerPsu: count.default(10).describe('The devices that one PSU may have registered at once.'),
    assertionSeconds: seconds.default(300).describe('The longest life of a client assertion.'),
  }),
  enrolment: z.strictObject({
    expirySeconds: seconds.default(600).describe('The time in which a phone must complete its enrolment.'),
  }),
  registration: registrationSettings,
  eventNotifications: z.strictObject({
    callbacks: z.boolean().default(false).describe('Whether the callbackUrl of a subscription is called, instead of waiting for a poll.'),
    setsPerPoll: count.default(5).describe('The event notifications that a poll is given where it names no number.'),
  }),
  push: z.strictObject({
    fcm: z.strictObject({
      serviceAccountFile: optionalFile.describe('The JSON file of the Firebase service account; the development channel if not set.'),
    }),
  }),
  outbound: outboundSettings,
  wso2: wso2Settings,
  sandbox: z.strictObject({
    automatedApprover: z
      .boolean()
      .default(false)
      .describe(
        'Development only: whether POST /sandbox/ciba/{auth_req_id}/{allow|deny} answers for the PSU; GET …/pushes tells what was pushed.',
      ),
    rulesFile: optionalFile.describe('Development only: a JSON file of the rules by which the automated approver answers by itself.'),
  }),
  consent: consentSettings,
  psu: psuSettings,
  keys: z.strictObject({
    masterFile: optionalFile.describe(
      'The file of the key that the keys of the PSUs and of signatures are sealed with; development makes <data_dir>/keys/master.key.',
    ),
    rotationDays: z.int().min(1).max(3650).default(90).describe('The days after which another key signs.'),
    publishLeadSeconds: z
      .int()
      .min(900)
      .default(86_400)
      .describe('The seconds that a new signing key is published before it signs: longer than TPPs cache the keys.'),
  }),
  operator: operatorSettings,
  archive: archiveSettings,
  retention: retentionSettings,
  evidence: evidenceSettings,
  log: z.strictObject({
    level: z
      .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
      .default('info')
      .describe('The least severe message that is logged.'),
  }),
});

const REQUIRED_IN_PRODUCTION = ['issuer', 'tls.certificate_file', 'tls.key_file', 'psu.directory_file', 'keys.master_file'];
/** What may stand in for what is required. */
const INSTEAD: Readonly<Record<string, string>> = { 'psu.directory_file': 'psu.directory_url' };

const settingsOf = (section: z.ZodObject, path: string[] = []): Setting[] =>
  Object.entries(section.shape as Record<string, z.ZodType>).flatMap(([key, member]) => {
    const here = [...path, key];
    if (member instanceof z.ZodObject) return settingsOf(member, here);
    const name = here.join('.').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    const variable = `COUNTERSIGN_${name.replaceAll('.', '_').toUpperCase()}`;
    return [{ name, variable, path: here, preset: member.parse(undefined), description: member.description ?? '' }];
  });

/** Every setting in the order of the schema: the settings page of the documentation is made from it. */
export const settings: readonly Setting[] = settingsOf(schema);

const resolved = (parsed: z.infer<typeof schema>, cwd: string) => {
  const issuer = parsed.issuer ?? `https://localhost:${parsed.server.port}`;
  const dataDir = resolve(cwd, parsed.dataDir);
  return {
    ...parsed,
    issuer,
    dataDir,
    tokens: { ...parsed.tokens, audience: parsed.tokens.audience ?? issuer },
    registration: { ...parsed.registration, oneClientPerSoftware: onePerSoftware(parsed.registration) },
    evidence: evidenceOf(parsed.evidence, issuer),
    keys: { ...parsed.keys, masterFile: parsed.keys.masterFile ?? join(dataDir, 'keys', 'master.key') },
  };
};

/** Every setting with its value. Paths are absolute; a null file means that the engine brings its own. */
export type Config = ReturnType<typeof resolved>;

/** The settings, and for each name where its value comes from: `default`, a place in the file, or a variable. */
export interface Loaded {
  config: Config;
  sources: Record<string, string>;
}

interface ConfigSources {
  file?: string | undefined;
  /** What is to stand in the file; what stands in it if not given. */
  text?: string;
  env: NodeJS.ProcessEnv;
  cwd: string;
}

/** Reads the settings: the environment wins over the file, the file over the defaults. Throws a ConfigError that names every problem. */
export const loadConfig = ({ file, text, env, cwd }: ConfigSources): Loaded => {
  const problems: string[] = [];
  const { COUNTERSIGN_CONFIG: named } = env;
  const inFile = fromFile(settings, readSettings(file ?? (named || undefined), cwd, text), problems);
  const given = new Map([...inFile, ...fromEnvironment(settings, env, cwd, problems)]);
  const parsed = schema.safeParse(nested(given));
  if (!parsed.success) problems.push(...parsed.error.issues.map((issue) => wrongValue(issue, given)));
  problems.push(...missingInProduction(given), ...(parsed.success ? contradictions(parsed.data) : []));
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);
  const sources = Object.fromEntries(settings.map(({ name }) => [name, given.get(name)?.source ?? 'default']));
  return { config: resolved(parsed.data, cwd), sources };
};

/** One row per setting, for `countersign config show`. Nothing in it is secret: secrets are named by their files. */
export const configTable = ({ config, sources }: Loaded): { name: string; value: string; source: string; description: string }[] =>
  settings.map(({ name, path, description }) => {
    const value = path.reduce<unknown>((section, key) => (section as Record<string, unknown>)[key], config);
    return { name, value: shown(value), source: sources[name] ?? 'default', description };
  });

const shown = (value: unknown): string => {
  if (Array.isArray(value)) return value.map(shown).join(', ');
  if (typeof value === 'object' && value !== null) return JSON.stringify(value);
  return value === null ? 'not set' : String(value);
};

const readSettings = (named: string | undefined, cwd: string, text: string | undefined) => {
  const path = resolve(cwd, named ?? 'countersign.toml');
  if (text !== undefined) return { path, shown: named ?? 'countersign.toml', text };
  try {
    return { path, shown: named ?? 'countersign.toml', text: readFileSync(path, 'utf8') };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (named === undefined && code === 'ENOENT') return null;
    throw new ConfigError([`${path}: the settings file could not be read (${code})`]);
  }
};

const nested = (given: Map<string, Given>): object => {
  const root: Record<string, unknown> = {};
  for (const { name, path } of settings) {
    let section = root;
    for (const key of path.slice(0, -1)) {
      section[key] ??= {};
      section = section[key] as Record<string, unknown>;
    }
    section[path.at(-1) ?? ''] = given.get(name)?.value;
  }
  return root;
};

const wrongValue = (issue: z.core.$ZodIssue, given: Map<string, Given>): string => {
  const name = settings.find(({ path }) => path.every((key, index) => issue.path[index] === key))?.name ?? issue.path.join('.');
  return `${name} (${given.get(name)?.source}): ${issue.message}`;
};

const missingInProduction = (given: Map<string, Given>): string[] =>
  given.get('environment')?.value === 'production'
    ? settings
        .filter(({ name }) => REQUIRED_IN_PRODUCTION.includes(name) && !given.has(name) && !given.has(INSTEAD[name] ?? ''))
        .map(({ name, variable }) => `${name}: required in production (or ${variable})`)
    : [];

const contradictions = (given: z.infer<typeof schema>): string[] => {
  const { server, store, tls, ciba, registration, environment, keys, proxy, sandbox, consent, psu, evidence } = given;
  const ownServices = [
    ...urlsOfSteps(consent),
    ['psu.directory_url', psu.directoryUrl ?? 'https:'] as const,
    ...evidence.witnesses.map(({ url }) => ['evidence.witnesses', url] as const),
  ];
  return [
    ...wrongPsu(psu),
    ...wrongProxy(proxy),
    ...wrongStore(store, server),
    ...wrongEvidence(evidence),
    ...ownServices.map(([name, url]) => environment === 'production' && !url.startsWith('https:') && `${name}: expected an https URL`),
    ...(registration.enabled ? wrongRegistration(registration, environment) : []),
    environment === 'production' && sandbox.automatedApprover && 'sandbox.automated_approver: for development only',
    sandbox.rulesFile !== null && !sandbox.automatedApprover && 'sandbox.rules_file: expected sandbox.automated_approver with it',
    server.port === server.mtlsPort && 'server.mtls_port: expected another port than server.port',
    (tls.certificateFile === null) !== (tls.keyFile === null) && 'tls.certificate_file and tls.key_file: expected both or neither',
    keys.publishLeadSeconds > keys.rotationDays * 86_400 && 'keys.publish_lead_seconds: expected at most keys.rotation_days',
    ciba.minExpirySeconds > ciba.defaultExpirySeconds && 'ciba.default_expiry_seconds: expected at least ciba.min_expiry_seconds',
    ciba.defaultExpirySeconds > ciba.maxExpirySeconds && 'ciba.default_expiry_seconds: expected at most ciba.max_expiry_seconds',
  ].filter((problem) => problem !== false);
};
