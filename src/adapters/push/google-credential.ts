import { readFile } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { type Agent, request } from 'node:https';
import { text } from 'node:stream/consumers';
import { type CryptoKey, importPKCS8, SignJWT } from 'jose';
import { z } from 'zod';
import type { PushOutcome } from '../../domain/ports/push-sender.ts';
import { retryAfterSeconds } from './retry-after.ts';

const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging';
const ANSWER_MS = 10_000;
const RENEW_BEFORE_EXPIRY_SECONDS = 60;

const ServiceAccountFile = z.object({
  type: z.literal('service_account'),
  project_id: z.string().min(1),
  client_email: z.string().min(1),
  private_key_id: z.string().min(1),
  private_key: z.string().min(1),
  token_uri: z.url({ protocol: /^https$/ }),
});
const TokenAnswer = z.object({ access_token: z.string().min(1), expires_in: z.number() });
const TokenRefusal = z.object({ error: z.string().regex(/^[a-z_]{1,40}$/) });

/** A service account that can sign: what its file holds, and its key. */
export interface ServiceAccount {
  projectId: string;
  clientEmail: string;
  keyId: string;
  key: CryptoKey;
  tokenUri: string;
}

/** The access tokens of one service account. */
export interface GoogleCredential {
  /** A token to send with. It is kept until shortly before it expires; callers at the same time share one request for the next. */
  accessToken(): Promise<string>;
  /** This token was refused: if it is still the one that is kept, the next call asks for another. */
  forget(token: string): void;
}

/** Google gave no access token; `outcome` says what that makes of the push. */
export class NoAccessToken extends Error {
  readonly outcome: PushOutcome;

  constructor(outcome: Extract<PushOutcome, { reason: string }>, options?: ErrorOptions) {
    super(`no access token: ${outcome.reason}`, options);
    this.outcome = outcome;
  }
}

/** Reads the key file of a service account. What is wrong with it is told by file and field, never by content. */
export const readServiceAccount = async (file: string): Promise<ServiceAccount> => {
  const parsed = ServiceAccountFile.safeParse(parseJson(file, await readFile(file, 'utf8')));
  if (!parsed.success) {
    const fields = new Set(parsed.error.issues.map(({ path }) => path.join('.') || 'the whole file'));
    throw new Error(`service account file ${file}: missing or malformed: ${[...fields].join(', ')}`);
  }
  const { project_id: projectId, client_email: clientEmail, private_key_id: keyId, private_key, token_uri: tokenUri } = parsed.data;
  return { projectId, clientEmail, keyId, key: await importKey(file, private_key), tokenUri };
};

/** Trades an assertion signed by the service account for access tokens (RFC 7523), over the agent that also carries the pushes. */
export const googleCredential = (account: ServiceAccount, agent: Agent): GoogleCredential => {
  let kept: { token: string; until: number } | null = null;
  let renewal: Promise<string> | null = null;

  const renew = async (): Promise<string> => {
    const { access_token, expires_in } = await requestToken(account, agent);
    kept = { token: access_token, until: Date.now() + (expires_in - RENEW_BEFORE_EXPIRY_SECONDS) * 1000 };
    return access_token;
  };

  return {
    async accessToken() {
      if (kept && Date.now() < kept.until) return kept.token;
      renewal ??= renew().finally(() => {
        renewal = null;
      });
      return renewal;
    },
    forget(token) {
      if (kept?.token === token) kept = null;
    },
  };
};

const parseJson = (file: string, content: string): unknown => {
  try {
    return JSON.parse(content);
  } catch {
    // No cause: the message of a SyntaxError quotes the text, and the text is a private key.
    throw new Error(`service account file ${file}: not JSON`);
  }
};

const importKey = async (file: string, pem: string): Promise<CryptoKey> => {
  try {
    return await importPKCS8(pem, 'RS256');
  } catch {
    throw new Error(`service account file ${file}: private_key is not an RSA key in PKCS #8`);
  }
};

const requestToken = async (account: ServiceAccount, agent: Agent): Promise<z.infer<typeof TokenAnswer>> => {
  const assertion = await new SignJWT({ scope: SCOPE })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: account.keyId })
    .setIssuer(account.clientEmail)
    .setAudience(account.tokenUri)
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(account.key);
  const form = new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion });
  const { status, headers, body } = await post(account.tokenUri, form, agent).catch((cause) => {
    throw new NoAccessToken({ outcome: 'retry', reason: 'oauth2/network-error', afterSeconds: null }, { cause });
  });
  const answer = TokenAnswer.safeParse(body);
  if (status === 200 && answer.success) return answer.data;
  const refusal = TokenRefusal.safeParse(body);
  const reason = `oauth2/${refusal.success ? refusal.data.error : `http-${status}`}`;
  if (status >= 500 || status === 429 || status === 408) {
    throw new NoAccessToken({ outcome: 'retry', reason, afterSeconds: retryAfterSeconds(headers['retry-after']) });
  }
  throw new NoAccessToken({ outcome: 'refused', reason });
};

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: unknown;
}

const post = (url: string, form: URLSearchParams, agent: Agent): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const req = request(url, { method: 'POST', agent, headers, signal: AbortSignal.timeout(ANSWER_MS) }, (res) => {
      const { statusCode: status = 0, headers } = res;
      text(res).then((content) => resolve({ status, headers, body: jsonOrNull(content) }), reject);
    });
    req.on('error', reject);
    req.end(form.toString());
  });

const jsonOrNull = (content: string): unknown => {
  try {
    return JSON.parse(content);
  } catch {
    return null; // a proxy's error page: the status tells enough
  }
};
