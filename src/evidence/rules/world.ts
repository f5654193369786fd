import type { KeyObject } from 'node:crypto';

/**
 * A decision reads other streams than the one that it writes to, so that what it read may have ended when it is written. What stands at most
 * this many seconds behind such an end is counted as an overlap, and is no doubt.
 */
export const OVERLAP_SECONDS = 30;

/** When something happened: as the fact says, in epoch seconds, and as the store says, in epoch milliseconds. */
export interface Moment {
  at: number;
  recordedAt: number;
}

/** A fact as the rules see it. The same object is filled anew for each of them: nothing may keep it. */
export interface Fact extends Moment {
  type: string;
  /** The part of the stream's name behind the category. */
  id: string;
  revision: number;
  /** The members that the type has in this version; `at` is one of them. */
  data: Record<string, unknown>;
  /** Whose key sealed it; null where nothing is sealed. */
  sealedFor: string | null;
  /** What was sealed; undefined where it cannot be opened, or there is nothing. */
  opened: Record<string, unknown> | undefined;
}

/** What breaks a rule. */
export type Say = (rule: string, text: string) => void;

export interface Client {
  disabled: Moment | null;
}

export interface Device {
  psuId: string;
  /** Null for one that was only offered, which is good until `offerEndsAt`. */
  publicKey: Record<string, unknown> | null;
  keyThumbprint: string;
  dialect: string;
  offerEndsAt: number;
  revoked: Moment | null;
  /** The key, once it was needed; null for one that is none. */
  key?: KeyObject | null;
}

/** What a showing offered, as far as an answer depends on it. */
export interface Shown {
  accountIds: readonly string[];
  authorizationDetails: readonly unknown[] | null;
  /** Whether all of the request was shown. */
  whole: boolean;
  bindingMessage: string | null;
}

export interface Showing {
  /** The device, or the session. */
  place: string;
  digest: string;
  nonce: string;
  consentRevision: number;
  shown: Shown | undefined;
}

export interface Answer {
  verdict: 'approved' | 'denied';
  psuId: string;
  deviceId: string | null;
  digest: string;
  consentRevision: number;
  at: number;
  /** When the PSU had signed in, in the redirect flow; else when they answered. */
  authTime: number;
  accountIds: readonly string[] | undefined;
  authorizationDetails: readonly unknown[] | null | undefined;
}

/** A request of either flow. */
export interface Request {
  flow: 'ciba' | 'code';
  clientId: string;
  /** Of CIBA: whose it is. Of the redirect flow: who alone may answer, or null. */
  psuId: string | null;
  consentId: string;
  consentOrigin: string;
  scope: string;
  acr: string | null;
  certificateThumbprint: string | null;
  dpopKeyThumbprint: string | null;
  redirectUri: string | null;
  expiresAt: number;
  status: 'pending' | 'approved' | 'denied' | 'cancelled' | 'expired' | 'redeemed';
  /** What was asked in private; undefined where that cannot be opened. */
  asked: Record<string, unknown> | undefined;
  sessions: { sessionId: string; psuId: string; at: number }[];
  showings: Showing[];
  answer: Answer | null;
  answeredRevision: number;
  codeEndsAt: number | null;
}

export interface Consent {
  status: 'awaitingUpload' | 'awaiting' | 'authorised' | 'rejected' | 'revoked' | 'expired';
  clientId: string;
  /** Where the stream stood when what is shown of it last changed. */
  revision: number;
  authorisers: readonly string[];
  awaitsUpload: boolean;
  expiresAt: number | null;
  authorisations: { requestId: string; psuId: string }[];
  /** The requests that it covered, and until when. */
  past: { requestId: string; until: Moment }[];
}

export interface Grant {
  kind: 'own' | 'redeemed' | 'asserted';
  clientId: string;
  psuId: string | null;
  consentId: string | null;
  requestId: string | null;
  scope: string;
  tokens: number;
  refreshToken: { tokenHash: string; expiresAt: number } | null;
  revoked: boolean;
}

/** What all facts so far add up to. */
export interface World {
  /** Whether every fact of the log up to here was seen, or only those of one consent. */
  whole: boolean;
  clients: Map<string, Client>;
  devices: Map<string, Device>;
  requests: Record<Request['flow'], Map<string, Request>>;
  consents: Map<string, Consent>;
  grants: Map<string, Grant>;
  /** Sign-ins for answering CIBA requests in a browser. */
  sessions: Map<string, { psuId: string; at: number }>;
  erased: Map<string, Moment>;
  signatures: number;
  tokens: number;
  overlaps: number;
}

export const newWorld = (whole: boolean): World => ({
  whole,
  clients: new Map(),
  devices: new Map(),
  requests: { ciba: new Map(), code: new Map() },
  consents: new Map(),
  grants: new Map(),
  sessions: new Map(),
  erased: new Map(),
  signatures: 0,
  tokens: 0,
  overlaps: 0,
});

/** The request of either flow with this id. */
export const requestIn = ({ requests }: World, id: string): Request | undefined => requests.ciba.get(id) ?? requests.code.get(id);

/** Whether what has ended, or not, may still have been seen as going on when this was decided. */
export const goesOn = (world: World, end: Moment | null | undefined, by: Moment): boolean => {
  if (end == null) return true;
  if (by.at > end.at + OVERLAP_SECONDS || by.recordedAt > end.recordedAt + OVERLAP_SECONDS * 1000) return false;
  world.overlaps += 1;
  return true;
};

/** Whether a moment is before a border, or so little behind it that it was passed while the decision was made. */
export const isBefore = (world: World, at: number, border: number | null): boolean => {
  if (border === null || at < border) return true;
  if (at >= border + OVERLAP_SECONDS) return false;
  world.overlaps += 1;
  return true;
};

/** Whether every word of a scope is in another one. */
export const scopeIsWithin = (scope: string, whole: string): boolean => {
  if (scope === whole) return true;
  const words = whole.split(' ');
  return scope.split(' ').every((word) => words.includes(word));
};

/** The moment of a fact, to keep. */
export const momentOf = ({ at, recordedAt }: Moment): Moment => ({ at, recordedAt });
