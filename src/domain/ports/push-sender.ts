/** What a phone of the reference's wire is told with its push: it fetches nothing itself. */
export interface PushContent {
  /** The line that the phone notifies with. */
  body: string;
  data: Readonly<Record<string, string>>;
}

/** What wakes one device. It names the request and says nothing about it: the phone fetches the rest itself, unless there is a content. */
export interface WakeUp {
  /** The registration token that the push service gave to the device's app. */
  pushToken: string;
  /** The opaque id of the CIBA request (never its auth_req_id). */
  requestId: string;
  /** The remaining life of the request in seconds: after that the message must not arrive any more. */
  ttlSeconds: number;
  content?: PushContent;
}

/**
 * What became of one attempt.
 * `dead`: the push token is gone for good; the device can still list and answer.
 * `retry`: the channel could not take it now; try again, not before `afterSeconds` when it is given.
 * `too_large`: the channel takes no message of this size.
 * `refused`: the message or the settings are at fault; another attempt would fail the same way.
 */
export type PushOutcome =
  | { outcome: 'accepted'; messageId: string }
  | { outcome: 'dead'; reason: string }
  | { outcome: 'retry'; reason: string; afterSeconds: number | null }
  | { outcome: 'too_large' | 'refused'; reason: string };

/**
 * Wakes one device. Resolves with the outcome of one attempt and never rejects for what a channel can answer.
 * Many calls may run at once. A message may arrive twice; the phone tells them apart by `requestId`.
 * `reason` is the channel's own error code: it holds no token and no text of the request.
 */
export interface PushSender {
  wake(wakeUp: WakeUp): Promise<PushOutcome>;
}
