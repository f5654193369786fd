/** A text that all nodes share. */
export interface SharedRecord {
  text: string;
  /** 0 for the first text under its name, then one more with each write. */
  revision: number;
}

/**
 * Small texts that all nodes share beside the log, in the store that holds it: they are no facts, and nobody replays them. One contract suite
 * (`test/adapters/shared/records.contract.ts`) holds every implementation to this.
 */
export interface SharedRecords {
  /** The newest text under a name, or null where there is none. */
  read(name: string): Promise<SharedRecord | null>;
  /** Writes behind exactly this revision (-1: there is none yet); false, and nothing is kept, where the newest is another. */
  write(name: string, text: string, expectedRevision: number): Promise<boolean>;
  /** Ends a name for ever: it reads as null and takes no writes any more. */
  erase(name: string): Promise<void>;
}

/** Records of one process: for nodes that run in it, in tests. */
export const inMemoryRecords = (): SharedRecords => {
  const records = new Map<string, SharedRecord | 'erased'>();
  const find = (name: string): SharedRecord | null => {
    const found = records.get(name);
    return found === undefined || found === 'erased' ? null : found;
  };
  return {
    read: async (name) => find(name),
    async write(name, text, expectedRevision) {
      if (records.get(name) === 'erased' || (find(name)?.revision ?? -1) !== expectedRevision) return false;
      records.set(name, { text, revision: expectedRevision + 1 });
      return true;
    },
    async erase(name) {
      records.set(name, 'erased');
    },
  };
};
