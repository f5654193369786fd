import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import type { PushOutcome, PushSender, WakeUp } from '../../domain/ports/push-sender.ts';
import { inTurn } from '../in-turn.ts';
import { fcmMessage } from './fcm-message.ts';
import { isAccessTokenRefused, outcomeOf } from './fcm-outcome.ts';
import { googleCredential, readServiceAccount } from './google-credential.ts';

const AT_ONCE = 64;
const ATTEMPT_MS = 30_000;
const SILENCE_MS = 15_000;
const TIMED_OUT: PushOutcome = { outcome: 'retry', reason: 'app/network-timeout', afterSeconds: null };

/** Where FCM's key is, and how to reach Google. */
export interface FcmSettings {
  serviceAccountFile: string;
  /** The http:// or https:// URL of a proxy that takes CONNECT. */
  proxy: string | null;
  /** The roots to trust instead of Node's own, in PEM: those of a proxy that opens TLS. */
  caFile: string | null;
}

/**
 * Wakes phones through Firebase Cloud Messaging (HTTP v1).
 * At most 64 attempts run at once and the others wait. Each ends within 30 s of the call; none starts after its request expired.
 */
export const fcmPushSender = async (settings: FcmSettings): Promise<PushSender & { close(): Promise<void> }> => {
  const account = await readServiceAccount(settings.serviceAccountFile);
  const agent = await makeAgent(settings);
  const credential = googleCredential(account, agent);
  // Loaded only when FCM is configured: it takes 0.1 s.
  const { initializeApp, deleteApp } = await import('firebase-admin/app');
  const { getMessaging } = await import('firebase-admin/messaging');
  let accessToken = '';
  // The SDK would keep a token and not drop it when it is refused; for one that expires now it comes back with every message.
  const sdkCredential = { getAccessToken: async () => ({ access_token: accessToken, expires_in: 0 }) };
  const options = { projectId: account.projectId, httpAgent: agent, credential: sdkCredential };
  const app = initializeApp(options, `countersign-${randomUUID()}`);
  const messaging = getMessaging(app);
  sendOnce(messaging);
  const whenFree = inTurn(AT_ONCE);

  const send = async (wakeUp: WakeUp, expiresAt: number, deadline: number): Promise<PushOutcome> => {
    const token = await credential.accessToken();
    const now = Date.now();
    if (now >= deadline) return TIMED_OUT;
    accessToken = token;
    try {
      return { outcome: 'accepted', messageId: await messaging.send(fcmMessage(wakeUp, expiresAt, now)) };
    } catch (error) {
      if (isAccessTokenRefused(error)) credential.forget(token);
      throw error;
    }
  };

  const attempt = (...message: Parameters<typeof send>): Promise<PushOutcome> =>
    send(...message)
      .catch((error) => {
        if (!isAccessTokenRefused(error)) throw error;
        return send(...message);
      })
      .catch(outcomeOf);

  return {
    wake(wakeUp) {
      const now = Date.now();
      const expiresAt = now + wakeUp.ttlSeconds * 1000;
      const deadline = Math.min(expiresAt, now + ATTEMPT_MS);
      return whenFree(() => endingBy(deadline, attempt(wakeUp, expiresAt, deadline)));
    },
    async close() {
      await deleteApp(app);
      agent.destroy();
    },
  };
};

const makeAgent = async ({ proxy, caFile }: FcmSettings): Promise<Agent> => {
  // Node takes a URL of another scheme for no proxy at all.
  if (proxy !== null && !/^https?:\/\//.test(proxy)) throw new Error('the proxy of the push channel must be an http:// or https:// URL');
  return new Agent({
    keepAlive: true,
    timeout: SILENCE_MS, // the only limit on opening a connection or a tunnel: the SDK's own starts after that
    ...(proxy !== null && { proxyEnv: { HTTPS_PROXY: proxy } }),
    ...(caFile !== null && { ca: await readFile(caFile, 'utf8') }),
  });
};

/**
 * Stops the SDK from repeating a message by itself. It would wait up to four times 60 s without a way to end it, and what it
 * sends then still carries the life that the request had at first: the push would arrive after its request expired.
 * The SDK has no setting for that, hence its private field. A version without the field stops the start.
 */
const sendOnce = (messaging: object): void => {
  const { messagingRequestHandler } = messaging as { messagingRequestHandler?: { httpClient?: { retry?: { maxRetries?: number } } } };
  const retry = messagingRequestHandler?.httpClient?.retry;
  if (retry?.maxRetries === undefined) throw new Error('this version of firebase-admin keeps its retries where they cannot be stopped');
  retry.maxRetries = 0;
};

/** The outcome of the work, or a timeout at the deadline: the SDK never settles when an answer breaks off in its middle. */
const endingBy = async (deadline: number, work: Promise<PushOutcome>): Promise<PushOutcome> => {
  const { promise, resolve } = Promise.withResolvers<PushOutcome>();
  const timer = setTimeout(resolve, deadline - Date.now(), TIMED_OUT);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
};
