import type { Decider, Decision } from '../decider.ts';
import { type PublicSigningJwk, type SigningKeyEvents, type SigningKeyFact, signingKeyEvents } from './events.ts';

/** The algorithms that the engine signs with: for each a line of keys of its own. */
export const OUR_ALGS = ['ES256', 'PS256'] as const;
export type OurAlg = (typeof OUR_ALGS)[number];

/** How long relying parties may keep the JWKS. The settings demand a lead of three times as long: a cache in between may keep it, too. */
export const JWKS_MAX_AGE_SECONDS = 300;
/** An ID token is taken as a hint for so long after it was issued: as long as a bank keeps a customer signed up. */
export const HINT_SECONDS = 90 * 86_400;
// Another node signs with the former key until it has read that it was retired.
const MARGIN_SECONDS = 60;

/** One signing key and where it stands in its life. */
export interface SigningKey {
  kid: string;
  jwk: PublicSigningJwk;
  status: 'next' | 'active' | 'retired' | 'removed';
  publishedAt: number;
  usableFrom: number;
  activatedAt: number | null;
  tokenSeconds: number;
  retiredAt: number | null;
  publishedUntil: number | null;
}

/** All keys of one algorithm, oldest first. At most one of them is active and at most one comes next. */
export type SigningKeys = readonly SigningKey[];
type Decides = Decision<SigningKeys, SigningKeyEvents>;

/** The keys of an algorithm, from their events. */
export const signingKey: Decider<SigningKeys, SigningKeyEvents> = {
  events: signingKeyEvents,
  initial: [],
  evolve(keys, { type, data }) {
    if (type === 'SigningKeyPublished') {
      const { at: publishedAt, ...key } = data;
      const life = { activatedAt: null, tokenSeconds: 0, retiredAt: null, publishedUntil: null };
      return [...keys, { ...key, ...life, status: 'next', publishedAt }];
    }
    const change = (changed: Partial<SigningKey>) => keys.map((key) => (key.kid === data.kid ? { ...key, ...changed } : key));
    switch (type) {
      case 'SigningKeyActivated':
        return change({ status: 'active', activatedAt: data.at, tokenSeconds: data.tokenSeconds });
      case 'SigningKeyRetired':
        return change({ status: 'retired', retiredAt: data.at, publishedUntil: data.publishedUntil });
      case 'SigningKeyRemoved':
        return change({ status: 'removed' });
    }
  },
};

/** When keys change. */
export interface KeyPolicy {
  /** How long a key is signed with. */
  rotationSeconds: number;
  /** How long a key is published before it is signed with. */
  leadSeconds: number;
  /** The longest life of what is signed. */
  tokenSeconds: number;
}

/** The step that the time calls for, or null. */
export const dueStep = (keys: SigningKeys, at: number, policy: KeyPolicy): 'publish' | 'activate' | 'remove' | null => {
  const next = keys.find(({ status }) => status === 'next');
  if (next !== undefined && at >= next.usableFrom) return 'activate';
  if (next === undefined && isOld(active(keys), at, policy)) return 'publish';
  return keys.some((key) => isOver(key, at)) ? 'remove' : null;
};

/**
 * Publishes a key when the active one will soon be too old, or `early`. The very first one is used at once: nobody has cached anything yet.
 */
export const publish =
  (
    key: { kid: string; jwk: PublicSigningJwk },
    { at, policy, early = false }: { at: number; policy: KeyPolicy; early?: boolean },
  ): Decides =>
  (keys) => {
    if (keys.some(({ kid, status }) => status === 'next' || kid === key.kid)) return [];
    if (keys.length === 0)
      return [{ type: 'SigningKeyPublished', data: { ...key, at, usableFrom: at } }, ...takesOver(key.kid, undefined, at, policy)];
    if (!early && !isOld(active(keys), at, policy)) return [];
    return [{ type: 'SigningKeyPublished', data: { ...key, at, usableFrom: at + policy.leadSeconds } }];
  };

/** Signs with the published key from now on, and with the former one no more. */
export const activate =
  ({ at, policy }: { at: number; policy: KeyPolicy }): Decides =>
  (keys) => {
    const next = keys.find(({ status }) => status === 'next');
    return next === undefined || at < next.usableFrom ? [] : takesOver(next.kid, active(keys), at, policy);
  };

/**
 * Signs with this key from now on, and with no other: for when the private part of one was lost. With `stolen` nothing that the former key
 * signed is believed any more: it is published no longer, and good tokens of it end with those that a thief may make.
 */
export const replaceAtOnce =
  (
    key: { kid: string; jwk: PublicSigningJwk },
    { at, policy, stolen = false }: { at: number; policy: KeyPolicy; stolen?: boolean },
  ): Decides =>
  (keys) => {
    if (keys.some(({ kid }) => kid === key.kid)) return [];
    const unused = keys.filter(({ status }) => status === 'next');
    return [
      ...unused.map(({ kid }) => ({ type: 'SigningKeyRetired', data: { kid, at, publishedUntil: at } }) as const),
      { type: 'SigningKeyPublished', data: { ...key, at, usableFrom: at } },
      ...takesOver(key.kid, active(keys), at, policy, stolen),
    ];
  };

/** Publishes no more what nothing that is still good was signed with. */
export const remove =
  (at: number): Decides =>
  (keys) =>
    keys.filter((key) => isOver(key, at)).map(({ kid }) => ({ type: 'SigningKeyRemoved', data: { kid, at } }));

/** Whether an ID token that was signed with the key may still be taken as a hint. */
export const verifiesHints = ({ retiredAt, publishedUntil }: SigningKey, at: number): boolean =>
  retiredAt === null || (publishedUntil !== retiredAt && at <= retiredAt + HINT_SECONDS + MARGIN_SECONDS);

const takesOver = (
  kid: string,
  former: SigningKey | undefined,
  at: number,
  { tokenSeconds }: KeyPolicy,
  stolen = false,
): SigningKeyFact[] => {
  const activated = { type: 'SigningKeyActivated', data: { kid, at, tokenSeconds } } as const;
  if (former === undefined) return [activated];
  // The settings may have changed while it was signed with.
  const publishedUntil = stolen ? at : at + Math.max(former.tokenSeconds, tokenSeconds) + MARGIN_SECONDS;
  return [activated, { type: 'SigningKeyRetired', data: { kid: former.kid, at, publishedUntil } }];
};

const active = (keys: SigningKeys): SigningKey | undefined => keys.find(({ status }) => status === 'active');

const isOld = (key: SigningKey | undefined, at: number, { rotationSeconds, leadSeconds }: KeyPolicy): boolean =>
  key === undefined || at >= (key.activatedAt ?? 0) + rotationSeconds - leadSeconds;

const isOver = ({ status, publishedUntil }: SigningKey, at: number): boolean => status === 'retired' && at > (publishedUntil ?? 0);
