import * as z from 'zod';
import type { ClientMetadata } from '../../domain/client/metadata.ts';
import type { Clock } from '../../domain/ports/clock.ts';
import type { DecodedJws, JwsAlg, JwsReader, PublicKey } from '../../domain/ports/jws.ts';
import { type Outbound, OutboundFailed, OutboundRefused } from '../../domain/ports/outbound.ts';

/** The keys of clients, registered by value or fetched from their `jwks_uri`. */
export interface ClientKeys {
  /** Whether one of the client's keys made the signature; a `kid` in the header narrows the choice. */
  signed(client: KeyOwner, decoded: DecodedJws): Promise<boolean>;
  /** Whether one of the client's keys has this RFC 7638 thumbprint. */
  include(client: KeyOwner, thumbprint: string): Promise<boolean>;
}

export interface KeyOwner {
  clientId: string;
  metadata: ClientMetadata;
}

type Key = PublicKey<JwsAlg | 'RS256'>;
type ReadKey = (jwk: Readonly<Record<string, unknown>>) => Key;

interface Fetched {
  uri: string;
  keys: readonly Key[];
  /** When the keys came, and when they were last asked for. */
  fetchedAt: number;
  askedAt: number;
  pending: Promise<void> | null;
}

// A key that a client takes out of its set is refused after this time at the latest.
const FRESH_SECONDS = 15 * 60;
// While a client's host does not answer, its last keys stay good for this long.
const STALE_SECONDS = 24 * 3600;
const PAUSE_SECONDS = 60;
// As many as can be registered by value.
const MAX_KEYS = 20;

const keySet = z.object({ keys: z.array(z.unknown()) });

/**
 * Keys by reference are kept for 15 minutes, and for a day while the client's host fails. Its host is asked at most once a minute, however
 * many signatures name a key that is not there; calls that wait for the same keys share one answer. With `rs256` an RSA key makes signatures
 * of that kind too.
 */
export const makeClientKeys = ({
  outbound,
  jws,
  clock,
  rs256 = false,
}: {
  outbound: Outbound;
  jws: JwsReader;
  clock: Clock;
  rs256?: boolean;
}): ClientKeys => {
  const readers = rs256 ? [jws.publicKey, jws.rs256Key] : [jws.publicKey];
  const registered = new WeakMap<ClientMetadata, readonly Key[]>();
  const fetched = new Map<string, Fetched>();

  const byValue = (metadata: ClientMetadata): readonly Key[] => {
    const keys = registered.get(metadata) ?? importable(readers, metadata.jwks?.keys ?? []);
    registered.set(metadata, keys);
    return keys;
  };

  const setOf = ({ clientId, metadata: { jwks_uri: uri } }: KeyOwner): Fetched | null => {
    if (uri === null) return null;
    const known = fetched.get(clientId);
    if (known?.uri === uri) return known;
    const none = { uri, keys: [], fetchedAt: Number.NEGATIVE_INFINITY, askedAt: Number.NEGATIVE_INFINITY, pending: null };
    fetched.set(clientId, none);
    return none;
  };

  const ask = async (set: Fetched): Promise<void> => {
    const keys = await keysAt(set.uri, outbound, readers);
    if (keys !== null) Object.assign(set, { keys, fetchedAt: clock() });
    else if (clock() - set.fetchedAt > STALE_SECONDS) set.keys = [];
  };

  const refresh = (set: Fetched): Promise<void> => {
    if (set.pending !== null) return set.pending;
    if (clock() - set.askedAt < PAUSE_SECONDS) return Promise.resolve();
    set.askedAt = clock();
    set.pending = ask(set).finally(() => {
      set.pending = null;
    });
    return set.pending;
  };

  /** Whether one of the keys passes; `isNew` says of keys that hold none whether a newer set may. */
  const some = async (client: KeyOwner, passes: (key: Key) => boolean, isNew: (keys: readonly Key[]) => boolean): Promise<boolean> => {
    const set = setOf(client);
    if (set === null) return byValue(client.metadata).some(passes);
    if (clock() - set.fetchedAt > FRESH_SECONDS) await refresh(set);
    const { keys } = set;
    if (keys.some(passes)) return true;
    if (!isNew(keys)) return false;
    await refresh(set);
    return set.keys !== keys && set.keys.some(passes);
  };

  return {
    signed: (client, decoded) => {
      const { kid } = decoded.header;
      const named = (key: Key) => kid === null || key.kid === null || key.kid === kid;
      return some(
        client,
        (key) => named(key) && decoded.verify(key),
        (keys) => kid === null || !keys.some((key) => key.kid === kid),
      );
    },
    include: (client, thumbprint) =>
      some(
        client,
        (key) => key.thumbprint === thumbprint,
        () => true,
      ),
  };
};

/** The keys at a URL; null where none could be had. */
const keysAt = async (url: string, outbound: Outbound, readers: readonly ReadKey[]): Promise<readonly Key[] | null> => {
  try {
    const { status, body } = await outbound.fetch({
      method: 'GET',
      url,
      headers: { accept: 'application/jwk-set+json, application/json' },
    });
    const { data } = keySet.safeParse(status === 200 ? parsed(body) : null);
    return data === undefined ? null : importable(readers, data.keys.slice(0, MAX_KEYS));
  } catch (error) {
    if (error instanceof OutboundFailed || error instanceof OutboundRefused) return null;
    throw error;
  }
};

const parsed = (body: string): unknown => {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
};

// A key that cannot be used (an encryption key, an algorithm of tomorrow) must not spoil the others.
const importable = (readers: readonly ReadKey[], jwks: readonly unknown[]): readonly Key[] =>
  jwks.flatMap((jwk) => {
    if (typeof jwk !== 'object' || jwk === null || ('use' in jwk && jwk.use === 'enc')) return [];
    return readers.flatMap((read) => {
      try {
        return [read(jwk as Record<string, unknown>)];
      } catch {
        return [];
      }
    });
  });
