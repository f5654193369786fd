import 'reflect-metadata';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import * as x509 from '@peculiar/x509';
import { type CryptoKey, exportPKCS8, generateKeyPair, type JWTPayload, jwtVerify } from 'jose';
import { z } from 'zod';

const PROJECT_ID = 'countersign-test';
const CLIENT_EMAIL = `push@${PROJECT_ID}.iam.gserviceaccount.com`;
const TOKEN_URI = 'https://oauth2.googleapis.com/token';
const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging';
const GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

const string = z.string();
const duration = string.regex(/^\d+(\.\d{1,9})?s$/);
const headers = z.record(string, string).optional();
const json = z.record(string, z.unknown()).optional();
/** The part of FCM's v1 Message that wakes one phone. The real service refuses an unknown field likewise. */
const SendRequest = z.strictObject({
  message: z.strictObject({
    token: string.min(1),
    data: z.record(string, string).optional(),
    notification: json,
    android: z
      .strictObject({ collapse_key: string, priority: z.enum(['normal', 'high']), ttl: duration, notification: json })
      .partial()
      .optional(),
    apns: z.strictObject({ headers, payload: json }).optional(),
    webpush: z.strictObject({ headers, notification: json }).optional(),
  }),
});

/** What becomes of one request: it answers with `res`, or calls `serve` to be served as usual. */
export type Behaviour = (res: ServerResponse, serve: () => void) => void;

/** FCM's answers, with the status and the body that the real service gives, and what a network does to them. */
export const fcmSays = {
  unregistered: () => fcmError(404, 'NOT_FOUND', 'UNREGISTERED'),
  invalidArgument: () => fcmError(400, 'INVALID_ARGUMENT', 'INVALID_ARGUMENT'),
  tooLarge: () => fcmError(400, 'INVALID_ARGUMENT', 'INVALID_ARGUMENT', {}, 'Android message is too big'),
  senderIdMismatch: () => fcmError(403, 'PERMISSION_DENIED', 'SENDER_ID_MISMATCH'),
  thirdPartyAuthError: () => fcmError(401, 'UNAUTHENTICATED', 'THIRD_PARTY_AUTH_ERROR'),
  quotaExceeded: (headers = {}) => fcmError(429, 'RESOURCE_EXHAUSTED', 'QUOTA_EXCEEDED', headers),
  internal: () => fcmError(500, 'INTERNAL', 'INTERNAL'),
  unavailable: (headers = {}) => fcmError(503, 'UNAVAILABLE', 'UNAVAILABLE', headers),
  /** Google's front end and not FCM: there is no such project. */
  noSuchProject: () => answers(404, googleError(404, 'NOT_FOUND', [])),
  /** Google's front end and not FCM: the access token is not accepted. */
  accessTokenRefused: () =>
    answers(
      401,
      googleError(401, 'UNAUTHENTICATED', [{ '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'ACCESS_TOKEN_EXPIRED' }]),
    ),
  nothing: (): Behaviour => () => {},
  connectionCut: (): Behaviour => (res) => res.socket?.destroy(),
  answerCut: (): Behaviour => (res) => {
    res.writeHead(200, { 'content-length': '100' }).write('{"name":', () => res.socket?.destroy());
  },
};

/** Any answer, for what no name above stands for. */
export const answers =
  (status: number, body: unknown, headers: Record<string, string> = {}): Behaviour =>
  (res) => {
    const html = typeof body === 'string';
    res.writeHead(status, { 'content-type': html ? 'text/html' : 'application/json; charset=UTF-8', ...headers });
    res.end(html ? body : JSON.stringify(body));
  };

const fcmError = (
  status: number,
  canonical: string,
  errorCode: string,
  headers: Record<string, string> = {},
  message?: string,
): Behaviour => {
  const details = [{ '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError', errorCode }];
  return answers(status, googleError(status, canonical, details, message), headers);
};

const googleError = (code: number, status: string, details: unknown[], message = `${status} as the test wants it`) => ({
  error: { code, status, message, details },
});

/** Holds requests: `held` resolves when that many wait, `release` serves them. */
export const gate = () => {
  const waiting: (() => void)[] = [];
  const watching: { count: number; reached: () => void }[] = [];
  return {
    hold: ((_res, serve) => {
      waiting.push(serve);
      for (const { count, reached } of watching) if (waiting.length >= count) reached();
    }) satisfies Behaviour,
    held: (count: number) => new Promise<void>((reached) => watching.push({ count, reached })),
    release: () => {
      for (const serve of waiting.splice(0)) serve();
    },
  };
};

/** One message as it stood on the wire. */
export interface SentMessage {
  path: string;
  headers: IncomingHttpHeaders;
  text: string;
  message: z.infer<typeof SendRequest>['message'];
}

/** FCM's HTTP v1 endpoint and Google's token endpoint on one local port, as fcm.googleapis.com and oauth2.googleapis.com. */
export interface FcmServer {
  port: number;
  /** The root of the server's certificate, in PEM. */
  caFile: string;
  serviceAccountFile: string;
  /** Every message that came with a living access token, whatever it was answered. */
  messages: readonly SentMessage[];
  /** The claims of every assertion that a token was issued for. */
  assertions: readonly JWTPayload[];
  /** Messages in hand: now, and the most at once. */
  load: { now: number; peak: number };
  /** What becomes of the next messages, one each; those after them are accepted. */
  next(...behaviours: Behaviour[]): void;
  /** What becomes of the next token requests, one each; those after them are served. */
  nextToken(...behaviours: Behaviour[]): void;
  /** How long the tokens live that are issued from now on; at first 3599 s. */
  tokensLive(seconds: number): void;
  /** Ends every token that was issued so far. */
  revokeTokens(): void;
  close(): Promise<void>;
}

/** Starts the server, and writes the two files that a deployment has: the trusted root and the service account. */
export const startFcmServer = async (): Promise<FcmServer> => {
  const folder = await mkdtemp(join(tmpdir(), 'countersign-fcm-'));
  const [caFile, serviceAccountFile] = [join(folder, 'ca.pem'), join(folder, 'service-account.json')];
  const { ca, key, cert } = await issueCertificate(['fcm.googleapis.com', 'oauth2.googleapis.com']);
  const account = await generateKeyPair('RS256', { extractable: true });
  await writeFile(caFile, ca);
  await writeFile(serviceAccountFile, JSON.stringify(serviceAccount(await exportPKCS8(account.privateKey))));

  const messages: SentMessage[] = [];
  const assertions: JWTPayload[] = [];
  const load = { now: 0, peak: 0 };
  const scripted: { messages: Behaviour[]; tokens: Behaviour[] } = { messages: [], tokens: [] };
  const tokens = new Map<string, number>();
  let secondsToLive = 3599;

  const takeTokenRequest = async (req: IncomingMessage): Promise<Behaviour> => {
    const form = new URLSearchParams(await text(req));
    if (form.get('grant_type') !== GRANT_TYPE) return answers(400, { error: 'unsupported_grant_type' });
    const claims = await verifiedClaims(form.get('assertion') ?? '', account.publicKey);
    if (claims === null) return answers(400, { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' });
    const issue: Behaviour = (res) => {
      assertions.push(claims);
      const access_token = `ya29.test-${assertions.length}`;
      tokens.set(access_token, Date.now() + secondsToLive * 1000);
      answers(200, { access_token, expires_in: secondsToLive, token_type: 'Bearer' })(res, () => {});
    };
    return (res) => (scripted.tokens.shift() ?? issue)(res, () => issue(res, () => {}));
  };

  const takeMessage = async (req: IncomingMessage): Promise<Behaviour> => {
    const body = await text(req);
    const bearer = req.headers.authorization?.replace(/^Bearer /, '') ?? '';
    if ((tokens.get(bearer) ?? 0) <= Date.now()) return fcmSays.accessTokenRefused();
    const parsed = SendRequest.safeParse(JSON.parse(body));
    if (!parsed.success) return fcmSays.invalidArgument();
    messages.push({ path: req.url ?? '', headers: req.headers, text: body, message: parsed.data.message });
    const accept = answers(200, { name: `projects/${PROJECT_ID}/messages/${messages.length}` });
    return (res) => {
      load.now += 1;
      load.peak = Math.max(load.peak, load.now);
      res.once('close', () => {
        load.now -= 1;
      });
      (scripted.messages.shift() ?? accept)(res, () => accept(res, () => {}));
    };
  };

  const routes: Record<string, (req: IncomingMessage) => Promise<Behaviour>> = {
    'POST oauth2.googleapis.com /token': takeTokenRequest,
    [`POST fcm.googleapis.com /v1/projects/${PROJECT_ID}/messages:send`]: takeMessage,
  };
  const server = createServer({ key, cert }, async (req, res) => {
    const take = routes[`${req.method} ${req.headers.host} ${req.url}`] ?? (async () => answers(404, '<html>not found</html>'));
    const behaviour = await take(req);
    behaviour(res, () => {});
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');

  return {
    port: (server.address() as AddressInfo).port,
    caFile,
    serviceAccountFile,
    messages,
    assertions,
    load,
    next: (...behaviours) => void scripted.messages.push(...behaviours),
    nextToken: (...behaviours) => void scripted.tokens.push(...behaviours),
    tokensLive: (seconds) => {
      secondsToLive = seconds;
    },
    revokeTokens: () => tokens.clear(),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      await rm(folder, { recursive: true });
    },
  };
};

const serviceAccount = (private_key: string) => ({
  type: 'service_account',
  project_id: PROJECT_ID,
  private_key_id: '0123456789abcdef0123456789abcdef01234567',
  private_key,
  client_email: CLIENT_EMAIL,
  client_id: '100000000000000000000',
  auth_uri: 'https://accounts.google.com/o/oauth2/auth',
  token_uri: TOKEN_URI,
  universe_domain: 'googleapis.com',
});

/** The claims, when they keep Google's rules: our key and address, the token endpoint as audience, the scope, at most one hour. */
const verifiedClaims = async (assertion: string, key: CryptoKey): Promise<JWTPayload | null> => {
  try {
    const options = { algorithms: ['RS256'], issuer: CLIENT_EMAIL, audience: TOKEN_URI, requiredClaims: ['iat', 'exp'] };
    const { payload } = await jwtVerify(assertion, key, options);
    const { iat = 0, exp = Number.POSITIVE_INFINITY, scope } = payload;
    return exp - iat <= 3600 && scope === SCOPE ? payload : null;
  } catch {
    return null;
  }
};

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

const issueCertificate = async (hosts: string[]): Promise<{ ca: string; key: string; cert: string }> => {
  const [root, leaf] = [await newKeys(), await newKeys()];
  const [notBefore, notAfter] = [new Date(Date.now() - 60_000), new Date(Date.now() + 86_400_000)];
  const common = { notBefore, notAfter, signingAlgorithm: ALGORITHM };
  const name = 'CN=Countersign test CA';
  const ca = await x509.X509CertificateGenerator.createSelfSigned({
    ...common,
    serialNumber: '01',
    name,
    keys: root,
    extensions: [new x509.BasicConstraintsExtension(true, 0, true), new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign, true)],
  });
  const cert = await x509.X509CertificateGenerator.create({
    ...common,
    serialNumber: '02',
    subject: `CN=${hosts[0]}`,
    issuer: name,
    publicKey: leaf.publicKey,
    signingKey: root.privateKey,
    extensions: [new x509.SubjectAlternativeNameExtension(hosts.map((value) => ({ type: 'dns', value })))],
  });
  return { ca: ca.toString('pem'), cert: cert.toString('pem'), key: await exportPKCS8(leaf.privateKey) };
};

const newKeys = () => crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
