import { recordOf } from '../adapters/evidence/checkpoints.ts';
import { masterKey } from '../adapters/keys/master-key.ts';
import { sharedPsuKeys } from '../adapters/shared/psu-keys.ts';
import type { Config } from '../config.ts';
import type { EventStore, StoredEvent } from '../domain/ports/event-store.ts';
import { type Compared, makeVerification, type Report, type VerifySettings } from '../evidence/verify.ts';
import type { BundleTrust } from '../evidence/verify-bundle.ts';
import { openCluster } from '../serve/store.ts';
import { CommandFailed } from './command-failed.ts';

/** What is told while it goes on: how far it is of how far, and how many facts that was, where these are not the same; and each fact. */
export interface Watching {
  progress(done: number, total: number, facts?: number): void;
  fact(index: number, event: Omit<StoredEvent, 'position'>): void;
}

/** What was found, and the key of the log that it was found with: given, or one that came with the facts. */
export interface Verified {
  report: Report;
  key: string;
}

const PAGE = 1000;

/** Verifies all facts of a store, also while engines write to it. `isDense`: its positions have no gaps. */
export const verifyStore = async (
  store: EventStore,
  { isDense, ...settings }: VerifySettings & { isDense: boolean },
  watching: Watching,
): Promise<Report> => {
  const { report, fact, say } = makeVerification(settings);
  const total = await store.head();
  let index = 0;
  let position = 0;
  // To the end of what is written meanwhile: a key that an engine destroys has its fact behind what was read before.
  for (let page = await store.readAll(position, PAGE); page.length > 0; page = await store.readAll(position, PAGE)) {
    for (const event of page) {
      if (isDense && event.position !== position + 1) say('S1', `position ${position + 1} of the store is empty`, index);
      position = event.position;
      fact({ index, event });
      watching.fact(index, event);
      index += 1;
    }
    watching.progress(Math.min(position, total), total, index);
  }
  return report();
};

/** The checkpoints that the record of a log holds. */
export const checkpointsIn = (record: string): Compared[] => {
  const { newest, cosigned } = JSON.parse(record) as Record<string, { note: string } | null | undefined>;
  const from = (name: string, one: { note: string } | null | undefined): Compared[] =>
    one == null ? [] : [{ note: one.note, from: name }];
  return [...from('the log', newest), ...from('the log, cosigned', cosigned?.note === newest?.note ? null : cosigned)];
};

/** Verifies the log of a cluster beside its nodes. What is sealed is opened with their master key. */
export const verifyCluster = async (config: Config, trust: BundleTrust, master: string | null, watching: Watching): Promise<Verified> => {
  const { key } = trust;
  if (key === null) throw new CommandFailed('--key is needed: the key of the log, as /tlog/key says it');
  const secret = master === null ? null : masterKey(master, { create: false });
  const { store, records, close } = await openCluster(config);
  try {
    // What is published is read first: the log may only be longer than that.
    const record = await records.read(recordOf(config.evidence.origin));
    const keys = secret && sharedPsuKeys(records, secret);
    const report = await verifyStore(
      keys?.keysFirst(store) ?? store,
      {
        ...{ extent: 'whole', key, witnesses: trust.witnesses, quorum: trust.quorum, growing: true, isDense: false },
        ...{ own: record === null ? [] : checkpointsIn(record.text), kept: trust.kept, hasAllKeys: keys !== null },
        open: keys && ((part) => keys.open(part)),
      },
      watching,
    );
    return { report, key };
  } finally {
    await close();
  }
};
