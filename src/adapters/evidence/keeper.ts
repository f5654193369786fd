import { type Observable, of, Subscription } from 'rxjs';
import type { EventStore, Page, StoredEvent } from '../../domain/ports/event-store.ts';
import { checkpointText } from '../../evidence/checkpoint.ts';
import { leafHash, leafOf } from '../../evidence/leaf.ts';
import type { Contradiction } from '../../evidence/log.ts';
import { signNote } from '../../evidence/note.ts';
import type { NoteSigner } from '../../evidence/note-key.ts';
import { consistencyProof } from '../../evidence/tree.ts';
import { inTurn } from '../in-turn.ts';
import { compared } from './checked.ts';
import type { Chain, Kept, Standing } from './checkpoints.ts';
import type { Cosigned, Witnesses } from './cosigning.ts';
import { EvidenceDiffers } from './evidence-differs.ts';
import type { GrowingTiles } from './tiles.ts';

// Facts are hashed a moment after they came, some at a time: whoever waits for a commit goes first.
const HASH_SOON_MS = 10;
const HASHED_AT_ONCE = 256;
// So many may wait; of the past this is a page.
const MOST_WAITING = 1000;
// Facts that come after a rest get their checkpoint at once, but together.
const GATHER_MS = 50;
// The rest of the time is for publishing.
const IN_TIME = 0.9;
const COSIGN_MS = 10_000;

/** What a keeper is made with. */
export interface Keeping {
  store: Pick<EventStore, 'follow'>;
  tiles: GrowingTiles;
  chain: Chain;
  signer: NoteSigner;
  /** A checkpoint is published this often while facts come. */
  checkpointMs: number;
  /** Whether it is for this process to publish; always if not given. */
  onDuty?: Observable<boolean> | undefined;
  witnesses?: Witnesses | undefined;
  /** Is told of every checkpoint whose tree is here. */
  onStanding?: (kept: Kept) => void;
  /** Is told when witnesses say something else against the log than before. */
  onContradiction?: (contradiction: Contradiction | null) => void;
  /** Is told when it has ended for good: publishing is for others from then on. */
  onHalt?: () => void;
  onFault(what: string, error: unknown): void;
}

/** The evidence log of a process, growing. */
export interface Keeper {
  /** Since when facts were seen to wait for a checkpoint, by whomever it is published; null where none do. */
  uncoveredSince(): number | null;
  /** Resolves when what was hashed is kept, and published where that is for this process. */
  stop(): Promise<void>;
}

/**
 * Follows the log, adds each fact to the tree, and publishes: the tree is kept, then the checkpoint is written behind the one that was seen,
 * and it counts when that has succeeded. Any number of processes may publish: their trees are the same, and of two that write at once one
 * succeeds and the other compares. A tree that is not what was published ends it: nothing is signed any more.
 */
export const keepEvidence = (deps: Keeping): Keeper => {
  const { store, tiles, chain, signer, checkpointMs, onDuty = of(true), witnesses, onStanding, onFault } = deps;
  const alone = inTurn(1);
  const following = new Subscription();
  let waiting: StoredEvent[] = [];
  let seen = tiles.position();
  let kept: Kept | null = null;
  // Whether what is published was found to be the same as the tree: nothing is written behind it before.
  let isSame = false;
  let isOnDuty = false;
  let ended = false;
  let hashing: NodeJS.Timeout | undefined;
  let publishing: NodeJS.Timeout | undefined;
  let cosigning: NodeJS.Timeout | undefined;
  let published = Number.NEGATIVE_INFINITY;
  let asked = Number.NEGATIVE_INFINITY;
  let duty: Subscription | undefined;
  let said: Contradiction | null = null;
  // Whether enough witnesses have answered this process: what was published before it may be older than what they have seen.
  let hasAsked = false;
  let uncovered: { behind: number; since: number } | null = null;

  const hash = (most: number) => {
    const events = waiting.slice(0, most);
    waiting = waiting.slice(most);
    for (const event of events) tiles.append(leafHash(leafOf(event)), event.position);
  };

  const hashSome = () => {
    hash(HASHED_AT_ONCE);
    hashing = waiting.length > 0 ? setTimeout(hashSome).unref() : undefined;
  };

  const take = ({ events, position, caughtUp }: Page) => {
    for (const event of events) waiting.push(event);
    seen = position;
    if (waiting.length >= MOST_WAITING) hash(waiting.length);
    else if (waiting.length > 0) hashing ??= setTimeout(hashSome, HASH_SOON_MS).unref();
    if (caughtUp) duty ??= onDuty.subscribe(beOnDuty);
    publishSoon();
  };

  const beOnDuty = (ours: boolean) => {
    isOnDuty = ours;
    if (!ours) {
      // From here on the witnesses are asked by others, and again by this process when it comes back.
      hasAsked = false;
      asked = Number.NEGATIVE_INFINITY;
      alone(async () => ended || isOnDuty || say(null)).catch(failed);
    }
    publishSoon();
    cosignSoon();
  };

  const say = (contradiction: Contradiction | null) => {
    if (contradiction !== said) deps.onContradiction?.(contradiction);
    said = contradiction;
  };

  const publishedSize = () => kept?.standing.newest.size ?? 0;
  const isAllPublished = () => isSame && publishedSize() === tiles.leaves() + waiting.length;
  const isAllCosigned = () => {
    if (witnesses === undefined || kept === null) return true;
    const { cosigned, newest } = kept.standing;
    return cosigned?.size === newest.size && (hasAsked || !isOnDuty);
  };

  const publishSoon = () => {
    if (ended || publishing !== undefined || isAllPublished()) return;
    const due = published + IN_TIME * checkpointMs - performance.now();
    publishing = setTimeout(publishNext, Math.max(Math.min(GATHER_MS, checkpointMs), due)).unref();
  };

  const publishNext = async () => {
    published = performance.now();
    await alone(publish).catch(failed);
    publishing = undefined;
    publishSoon();
    cosignSoon();
  };

  const publish = async () => {
    if (ended) return;
    hash(waiting.length);
    tiles.keep(seen);
    // What others publish is learnt from the record; what this process did is known.
    if (!isSame || !isOnDuty) await look();
    if (!isSame || !isOnDuty || tiles.size() <= publishedSize()) return;
    await write(withCheckpoint(tiles.size()));
  };

  const withCheckpoint = (size: number): Standing => {
    const root = tiles.rootAt(size);
    const at = Date.now();
    const note = signNote(checkpointText({ origin: signer.verifierKey.name, size, root }), [signer]);
    const next = { newest: { note, size, root, at }, position: tiles.positionOf(size - 1) as number };
    if (witnesses === undefined) return { ...next, ...UNWITNESSED };
    const { cosigned, unwitnessedSince, witnesses: by } = kept?.standing ?? UNWITNESSED;
    return { ...next, cosigned, unwitnessedSince: unwitnessedSince ?? at, witnesses: by };
  };

  const write = async (next: Standing) => {
    const written = await chain.write(next, kept);
    if (written === null) return look();
    kept = written;
    onStanding?.(written);
  };

  /** Goes on from what is published, once it was compared with the tree. */
  const look = async () => {
    kept = await chain.newest();
    isSame = kept === null || compared(kept.standing, tiles);
    if (kept !== null && isSame) onStanding?.(kept);
  };

  const cosignSoon = () => {
    if (ended || cosigning !== undefined || !isSame || isAllCosigned()) return;
    const due = asked + COSIGN_MS - performance.now();
    cosigning = setTimeout(cosignNext, Math.max(0, due)).unref();
  };

  const cosignNext = async () => {
    asked = performance.now();
    await (isOnDuty ? cosign() : alone(async () => ended || look())).catch(failed);
    cosigning = undefined;
    cosignSoon();
  };

  const cosign = async () => {
    const newest = kept?.standing.newest;
    if (witnesses === undefined || newest === undefined || !isSame) return;
    const began = Date.now();
    const proofFrom = (older: number) => consistencyProof(older, newest.size, tiles.hashAt);
    const { contradiction, by, note } = await witnesses.ask(newest, proofFrom, publishedNow);
    if (isOnDuty && !ended) say(contradiction);
    hasAsked ||= note !== null;
    // A note that could not be written the last time comes again, by nobody new.
    if (by.length > 0 || note !== null)
      await alone(async () => ended || kept === null || write(withCosignatures(kept.standing, newest, { by, note, began })));
  };

  /** The size of what is published, by whomever; where that cannot be learnt, nothing is larger. */
  const publishedNow = async () => {
    const newest = await alone(async () => (ended ? null : chain.newest())).catch(failed);
    return newest?.standing.newest.size ?? Number.POSITIVE_INFINITY;
  };

  const failed = (error: unknown) => {
    // Where the store or the disk is away for a while, what became of a write is seen at the next one.
    if (error instanceof EvidenceDiffers) halt(error);
    else onFault('evidence log', error);
  };

  const halt = (error: Error) => {
    end();
    onFault('evidence log', error);
    deps.onHalt?.();
    try {
      tiles.stop(error.message);
    } catch (unwritten) {
      onFault('evidence log', unwritten);
    }
  };

  const end = () => {
    ended = true;
    following.unsubscribe();
    duty?.unsubscribe();
    for (const timer of [hashing, publishing, cosigning]) clearTimeout(timer);
  };

  following.add(store.follow(seen).subscribe({ next: take, error: halt }));

  return {
    uncoveredSince() {
      const size = publishedSize();
      if (tiles.leaves() + waiting.length <= size) uncovered = null;
      // What is seen behind the same checkpoint again has waited all the time.
      else if (uncovered?.behind !== size) uncovered = { behind: size, since: Date.now() };
      return uncovered?.since ?? null;
    },
    async stop() {
      if (ended) return;
      following.unsubscribe();
      // In the same turn: what waits for the next one finds it ended.
      await alone(async () => {
        await publish().catch(failed);
        end();
      });
    },
  };
};

const UNWITNESSED: Omit<Standing, 'newest' | 'position'> = { cosigned: null, unwitnessedSince: null, witnesses: {} };

/** What is published, with what witnesses have said of one of its checkpoints. */
const withCosignatures = (
  standing: Standing,
  of: Standing['newest'],
  { by, note, began }: Pick<Cosigned, 'by' | 'note'> & { began: number },
): Standing => {
  const at = Date.now();
  const witnesses = { ...standing.witnesses, ...Object.fromEntries(by.map((name) => [name, at])) };
  if (note === null || of.size <= (standing.cosigned?.size ?? -1)) return { ...standing, witnesses };
  return { ...standing, cosigned: { ...of, note, at }, unwitnessedSince: standing.newest.size === of.size ? null : began, witnesses };
};
