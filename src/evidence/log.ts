/** A signed checkpoint: the size of the tree, and the root that is all of it. */
export interface Published {
  /** The signed note, with the cosignatures of witnesses that it has. */
  note: string;
  size: number;
  root: Buffer;
}

/** What witnesses say against a log: they have cosigned another history of it. */
export interface Contradiction {
  witnesses: readonly string[];
  /** Whether those that are left are fewer than are wanted. */
  isTooMany: boolean;
}

/** How an evidence log is getting on. Moments are epoch milliseconds. */
export interface EvidenceState {
  /** Why it stands still, or null. */
  fault: string | null;
  /** How many facts are in the tree. */
  size: number;
  /** How many the newest checkpoint covers, and when it was published. */
  published: { size: number; at: number } | null;
  /** Since when facts were seen to wait for a checkpoint; null where none do, and in a process that does not keep the tree. */
  uncoveredSince: number | null;
  /** Since when the newest checkpoint, or one before it, waits for its witnesses; null where none is waited for. */
  unwitnessedSince: number | null;
  /** When each witness has cosigned last. */
  witnesses: Readonly<Record<string, number>>;
  /** What witnesses say against it, since it was opened here; null where they say nothing. */
  contradiction: Contradiction | null;
}

/**
 * The evidence log: one RFC 6962 tree over all facts in the order of the store, and the signed checkpoints that tell what it was when. The leaf
 * with index 0 is that of the first fact. The tree is a pure function of the facts, so every node keeps its own; the checkpoints are one chain
 * for all nodes.
 */
export interface EvidenceLog {
  /** The newest published checkpoint; null before the first. */
  checkpoint(): Promise<Published | null>;
  /** The newest checkpoint that as many witnesses have cosigned as are wanted; null before the first, and where none is wanted. */
  cosigned(): Promise<Published | null>;
  /** The index of the fact at a position; null where there is none, or the tree has not come so far. */
  indexOf(position: number): Promise<number | null>;
  /** The position of the fact with an index; null where the tree has not come so far. */
  positionOf(index: number): Promise<number | null>;
  /** The root of a full subtree of 2^level leaves. Throws `RangeError` beyond the tree. */
  hashAt(level: number, index: number): Buffer;
  /** The first hashes of a tile (C2SP tlog-tiles), or null where it does not have that many. */
  tile(level: number, n: number, width: number): Buffer | null;
  /** The `.tlog-proof` of a fact under the newest checkpoint, if it covers the fact; else waits at most `waitMs` for one that does, and is null at the end. */
  receipt(position: number, waitMs?: number): Promise<string | null>;
  /** How it is getting on. */
  state(): EvidenceState;
  /** What checkpoints of this log are verified with: name, key id and key. */
  verifierKey: string;
  origin: string;
}
