import type { TokenMessage } from 'firebase-admin/messaging';
import type { WakeUp } from '../../domain/ports/push-sender.ts';

const COLLAPSE_KEY = 'approval';
const TITLE = 'Approval requested';
const BODY = 'An app asks for your approval';

/**
 * The message that wakes one phone: an opaque id, words that reveal nothing, and a life that ends with the request.
 * The app holds the words in its own languages under `approval_title` and `approval_body`. On Android they are all the words
 * there are, because FCM's library there shows a given text and never looks for a translation of it.
 * One collapse key for all: the phone shows one notification and lists what waits.
 */
export const fcmMessage = ({ pushToken, requestId }: WakeUp, expiresAtMs: number, nowMs: number): TokenMessage => {
  const ttlSeconds = Math.max(0, Math.floor((expiresAtMs - nowMs) / 1000));
  return {
    token: pushToken,
    data: { request_id: requestId },
    android: {
      priority: 'high',
      ttl: ttlSeconds * 1000,
      collapseKey: COLLAPSE_KEY,
      notification: { titleLocKey: 'approval_title', bodyLocKey: 'approval_body' },
    },
    apns: {
      headers: {
        'apns-push-type': 'alert',
        'apns-priority': '10',
        'apns-expiration': String(Math.floor(expiresAtMs / 1000)),
        'apns-collapse-id': COLLAPSE_KEY,
      },
      payload: {
        aps: { alert: { title: TITLE, body: BODY, titleLocKey: 'approval_title', locKey: 'approval_body' }, sound: 'default' },
      },
    },
    webpush: { headers: { TTL: String(ttlSeconds), Urgency: 'high' }, notification: { title: TITLE, body: BODY } },
  };
};
