import type { EventStore } from '../../domain/ports/event-store.ts';
import { leafHash, leafOf } from '../../evidence/leaf.ts';
import type { Published } from '../../evidence/log.ts';
import { growing } from '../../evidence/tree.ts';
import type { Standing } from './checkpoints.ts';
import { EvidenceDiffers } from './evidence-differs.ts';
import type { GrowingTiles } from './tiles.ts';

// The newest leaves are made again from the log at every start; all of them are made again by a verifier, and where the log moves.
const LOOKED_AT = 1000;

/** Whether the tree has come as far as the newest checkpoint, and is the same up to there. Throws `EvidenceDiffers` where it is another. */
export const compared = ({ newest, position }: Standing, tiles: GrowingTiles): boolean => {
  const size = tiles.size();
  if (size >= newest.size) {
    if (tiles.rootAt(newest.size).equals(newest.root)) return true;
    throw differing(newest.size);
  }
  if (tiles.position() >= position) throw missing(size, newest.size);
  return false;
};

/** Compares a log, before anything is served, with what is published of it: its length, and its end as far as the tree has come. */
export const checkLog = async (
  standing: Standing | null,
  { tiles, store }: { tiles: GrowingTiles; store: Pick<EventStore, 'head' | 'readAll'> },
): Promise<void> => {
  const head = await store.head();
  if (standing !== null && standing.position > head)
    throw new EvidenceDiffers(
      `the log ends at position ${head}, and the published checkpoint covers it up to position ${standing.position}`,
    );
  await checkEnd(tiles, store);
  if (standing !== null) compared(standing, tiles);
};

const checkEnd = async (tiles: GrowingTiles, store: Pick<EventStore, 'readAll'>): Promise<void> => {
  const first = Math.max(0, tiles.size() - LOOKED_AT);
  // A store with gaps reads from behind an event, not from anywhere between.
  const before = first === 0 ? 0 : (tiles.positionOf(first - 1) as number);
  const events = await store.readAll(before, tiles.size() - first);
  for (const [at, event] of events.entries())
    if (tiles.positionOf(first + at) !== event.position || !tiles.hashAt(0, first + at).equals(leafHash(leafOf(event))))
      throw new EvidenceDiffers(`the fact at position ${event.position} is not the one that the evidence log has there`);
  if (events.length < tiles.size() - first) throw missing(first + events.length, tiles.size());
};

/** Compares all facts of a log with what is published of it. Gives the position of the last one that the checkpoint covers. */
export const checkAll = async ({ size, root }: Published, store: Pick<EventStore, 'readAll'>): Promise<number> => {
  const tree = growing();
  let position = 0;
  while (tree.size < size) {
    const events = await store.readAll(position, Math.min(LOOKED_AT, size - tree.size));
    if (events.length === 0) throw missing(tree.size, size);
    for (const event of events) tree.append(leafHash(leafOf(event)));
    position = events.at(-1)?.position ?? position;
  }
  if (!tree.root().equals(root)) throw differing(size);
  return position;
};

const differing = (size: number): EvidenceDiffers => new EvidenceDiffers(`the log differs from the published checkpoint of ${size} facts`);

const missing = (facts: number, wanted: number): EvidenceDiffers =>
  new EvidenceDiffers(`the log has ${facts} facts where the evidence log has ${wanted}`);
