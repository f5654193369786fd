import { type EventStore, RevisionConflict } from '../../domain/ports/event-store.ts';
import type { VerifierKey } from '../../evidence/note-key.ts';
import { checkAll } from './checked.ts';
import { type CheckpointRecords, chainIn, recordOf, type Standing } from './checkpoints.ts';

/** What is published of a log, and the key that has signed it. */
export interface PublishedOf {
  standing: Standing;
  key: VerifierKey;
}

/**
 * Writes what is published of a log to the records of its copy: whoever keeps the evidence log there goes on behind it. It was written before
 * where this is done again. Throws `EvidenceDiffers` where the copy is another log than the published one.
 */
export const moveStanding = async (
  { standing, key }: PublishedOf,
  { store, records }: { store: Pick<EventStore, 'readAll'>; records: CheckpointRecords },
): Promise<void> => {
  const position = await checkAll(standing.newest, store);
  const chain = chainIn(records, key);
  const kept = await chain.newest();
  if (kept !== null) await checkAll(kept.standing.newest, store);
  if (kept !== null && kept.standing.newest.size >= standing.newest.size) return;
  const written = await chain.write({ ...standing, position }, kept);
  const revision = kept?.revision ?? -1;
  if (written === null) throw new RevisionConflict(recordOf(key.name), revision, revision + 1);
};
