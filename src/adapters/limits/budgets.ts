import { createHmac, createSecretKey } from 'node:crypto';
import type { Clock } from '../../domain/ports/clock.ts';
import type { BudgetTerms, Limits } from '../../domain/ports/limits.ts';
import { makeRoom } from './make-room.ts';
import type { Share, Told } from './told.ts';

// Far more than anybody has at once who means well.
export const MOST_KEYS = 100_000;
const MOST_BUDGETS = 100;
const SWEEP_SIZE = 1024;

interface Deps {
  clock: Clock;
  origin: string;
  /** Keys leave this process under it: a hash of a user name alone could be guessed. */
  secret: Buffer;
  spent: Told['spent'];
}

/** Budgets by their names, in memory: of each key the shares of all processes that have spent of it. */
export const makeBudgets = ({ clock, origin, secret, spent }: Deps) => {
  const books = new Map<string, ReturnType<typeof makeBook>>();
  const secretKey = createSecretKey(secret);
  let revision = 0;

  const bookOf = (name: string) => {
    const book = books.get(name) ?? makeBook();
    books.set(name, book);
    return book;
  };

  return {
    budget(name: string, { count, seconds, most = MOST_KEYS }: BudgetTerms) {
      const book = bookOf(name);
      book.holds(most);
      const keyed = (key: string) => createHmac('sha256', secretKey).update(`${name}\n${key}`).digest('base64url');

      const change = (key: string, share: Share, by: 1 | -1) => {
        revision += 1;
        share.revision = revision;
        share.count += by;
        spent(name, key, share);
      };

      return {
        spend(of: string): boolean {
          const [key, at] = [keyed(of), clock()];
          const shares = book.live(key, at);
          if (shares.reduce((sum, share) => sum + share.count, 0) >= count) return false;
          const own = shares.find((share) => share.origin === origin) ?? { origin, revision, count: 0, until: at + seconds };
          if (own.count === 0) book.keep(key, [...shares, own], at);
          change(key, own, 1);
          return true;
        },
        refund(of: string): void {
          const [key, at] = [keyed(of), clock()];
          const shares = book.live(key, at);
          const own = shares.find((share) => share.origin === origin);
          if (own === undefined) return;
          change(key, own, -1);
          // Nothing is spent: the time begins anew with what is spent next.
          if (own.count === 0)
            book.keep(
              key,
              shares.filter((share) => share !== own),
              at,
            );
        },
      };
    },
    /** Takes over what another process has spent. */
    hear(name, key, share) {
      const at = clock();
      if (share.until <= at || (!books.has(name) && books.size >= MOST_BUDGETS)) return;
      const book = bookOf(name);
      const shares = book.live(key, at);
      const known = shares.find((one) => one.origin === share.origin);
      if (known !== undefined && known.revision >= share.revision) return;
      book.keep(key, [...shares.filter((one) => one !== known), share], at);
    },
  } satisfies Pick<Limits, 'budget'> & { hear: Told['spent'] };
};

/** The shares of each key. Where there are too many keys, those that came first are forgotten. */
const makeBook = () => {
  let most = MOST_KEYS;
  const sharesOf = new Map<string, readonly Share[]>();
  let sweepAt = SWEEP_SIZE;
  let sweptAt = Number.NEGATIVE_INFINITY;

  const live = (key: string, at: number) => (sharesOf.get(key) ?? []).filter(({ until }) => at < until);

  const sweep = (at: number) => {
    for (const [key, shares] of sharesOf) if (!shares.some(({ until }) => at < until)) sharesOf.delete(key);
    sweptAt = at;
    sweepAt = Math.max(SWEEP_SIZE, sharesOf.size * 2);
  };

  return {
    live,
    holds(keys: number): void {
      most = keys;
    },
    keep(key: string, shares: readonly Share[], at: number): void {
      if (shares.length === 0) return void sharesOf.delete(key);
      // One that begins anew is the newest: it was as good as forgotten.
      if (live(key, at).length === 0) sharesOf.delete(key);
      if (!sharesOf.has(key)) {
        // Within one second nothing more is over: a full book is looked through once in it.
        if (sharesOf.size >= Math.min(sweepAt, most) && at !== sweptAt) sweep(at);
        makeRoom(sharesOf, most);
      }
      sharesOf.set(key, shares);
    },
  };
};
