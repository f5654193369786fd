import type { TokenMessage } from 'firebase-admin/messaging';
import type { PushContent, WakeUp } from '../../domain/ports/push-sender.ts';

const COLLAPSE_KEY = 'approval';
const TITLE = 'Approval requested';
const BODY = 'An app asks for your approval';

/** The message for one phone: what wakes it, or what it is to show where its dialect has that in the push. */
export const fcmMessage = ({ pushToken, requestId, content }: WakeUp, expiresAtMs: number, nowMs: number): TokenMessage => {
  const ttlSeconds = Math.max(0, Math.floor((expiresAtMs - nowMs) / 1000));
  return content === undefined
    ? wakingMessage(pushToken, requestId, expiresAtMs, ttlSeconds)
    : tellingMessage(pushToken, content, expiresAtMs, ttlSeconds);
};

/**
 * The message that wakes one phone: an opaque id, words that reveal nothing, and a life that ends with the request.
 * The app holds the words in its own languages under `approval_title` and `approval_body`. On Android they are all the words
 * there are, because FCM's library there shows a given text and never looks for a translation of it.
 * One collapse key for all: the phone shows one notification and lists what waits.
 */
const wakingMessage = (token: string, requestId: string, expiresAtMs: number, ttlSeconds: number): TokenMessage => ({
  token,
  data: { request_id: requestId },
  android: {
    priority: 'high',
    ttl: ttlSeconds * 1000,
    collapseKey: COLLAPSE_KEY,
    notification: { titleLocKey: 'approval_title', bodyLocKey: 'approval_body' },
  },
  apns: {
    headers: { ...apnsHeaders(expiresAtMs), 'apns-collapse-id': COLLAPSE_KEY },
    payload: {
      aps: { alert: { title: TITLE, body: BODY, titleLocKey: 'approval_title', locKey: 'approval_body' }, sound: 'default' },
    },
  },
  webpush: { headers: { TTL: String(ttlSeconds), Urgency: 'high' }, notification: { title: TITLE, body: BODY } },
});

/** The reference's message as FCM HTTP v1 has it. Each tells of one request, so none takes the place of another. */
const tellingMessage = (token: string, { body, data }: PushContent, expiresAtMs: number, ttlSeconds: number): TokenMessage => ({
  token,
  notification: { body },
  data: { ...data },
  android: { priority: 'high', ttl: ttlSeconds * 1000 },
  apns: { headers: apnsHeaders(expiresAtMs), payload: { aps: { contentAvailable: true } } },
});

const apnsHeaders = (expiresAtMs: number) => ({
  'apns-push-type': 'alert',
  'apns-priority': '10',
  'apns-expiration': String(Math.floor(expiresAtMs / 1000)),
});
