import { setImmediate as nextTurn } from 'node:timers/promises';
import * as z from 'zod';
import { subjectsOf } from '../../domain/audit/subjects.ts';
import { decode } from '../../domain/catalogue.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { EventStore, StoredEvent } from '../../domain/ports/event-store.ts';
import type { SealingKeys } from '../../domain/ports/sealer.ts';
import { type BundledFact, writeBundle } from '../../evidence/bundle.ts';
import type { EvidenceLog, Published } from '../../evidence/log.ts';
import { consistencyProof, inclusionProof } from '../../evidence/tree.ts';
import { holdsSecrets } from './fact.ts';
import { pagesOf } from './pages.ts';
import { makeTurns } from './turns.ts';

/** A checkpoint comes every second while facts come: one that covers a fact is waited for this long. */
export const COVERED_WITHIN_MS = 3000;

/** The size of a checkpoint. */
export const size = z.coerce.number().pipe(z.int().min(0));
export const keptSizes = z
  .string()
  .regex(/^\d{1,15}(,\d{1,15}){0,99}$/, 'expected sizes of checkpoints, with commas between them')
  .transform((list) => [...new Set(list.split(',').map(Number))])
  .optional()
  .describe('the sizes of checkpoints that you kept, with commas between them: the bundle proves that the log begins with all of each');

/** Why there is no proof yet. */
export const behind = () => new OAuthError('temporarily_unavailable', 'the evidence log has not come so far yet');

interface Deps {
  store: EventStore;
  sealer: SealingKeys;
  evidence: EvidenceLog;
}

/** Makes the files that a verifier reads without a server. Each is the lines of one; a checkpoint that covers all of it is waited for. */
export const makeBundles = ({ store, sealer, evidence }: Deps) => {
  const { origin, verifierKey: key, hashAt } = evidence;

  /** A checkpoint that covers a fact, and its index: one that witnesses have cosigned, if there is one. It is not older than those that were kept. */
  const covering = async (position: number, sizes: readonly number[]): Promise<{ published: Published; index: number }> => {
    await evidence.receipt(position, COVERED_WITHIN_MS);
    const index = await evidence.indexOf(position);
    const newest = await evidence.checkpoint();
    if (newest === null || index === null || index >= newest.size) throw behind();
    const kept = Math.max(0, ...sizes);
    if (kept > newest.size) throw new OAuthError('invalid_request', 'the log was never of the size of the kept checkpoint');
    const cosigned = await evidence.cosigned();
    return { published: cosigned !== null && Math.max(index + 1, kept) <= cosigned.size ? cosigned : newest, index };
  };

  const headOf = ({ note, size }: Published, kept: readonly number[]) => ({
    ...{ origin, key, checkpoint: note },
    ...(kept.length > 0 && { consistency: kept.map((older) => ({ size: older, proof: consistencyProof(older, size, hashAt) })) }),
  });

  /** A fact with the key of its sealed part, unless that holds what somebody could still use. */
  const bundled = async (event: StoredEvent, { size }: Published): Promise<BundledFact> => {
    const index = await evidence.indexOf(event.position);
    if (index === null) throw new Error(`the evidence log does not know event ${event.position}, which its checkpoint covers`);
    const { sealed } = decode(event);
    const key = sealed === null || holdsSecrets(sealed, sealer) ? null : sealer.eventKey(sealed);
    return { index, event, proof: inclusionProof(index, size, hashAt), ...(key !== null && { key }) };
  };

  async function* bundledAll(pages: AsyncIterable<readonly StoredEvent[]>, published: Published): AsyncGenerator<BundledFact> {
    for await (const events of pages) for (const event of events) yield bundled(event, published);
  }

  return {
    /** The evidence of one consent: its facts, and those of who took part. `kept` are the sizes of checkpoints that the auditor has. */
    async ofConsent(
      consent: string,
      { streams, head, kept = [] }: { streams: readonly string[]; head: number; kept: readonly number[] | undefined },
    ): Promise<AsyncIterable<string>> {
      const facts = await factsWith(store, streams, head);
      const { published } = await covering(facts.at(-1)?.position ?? 0, kept);
      return writeBundle({ ...headOf(published, kept), range: null, consent }, bundledAll(onePage(facts), published));
    },

    /** All facts behind one fact, or from the first one on (0), up to another one. */
    async ofRange({
      after,
      last,
      kept = [],
    }: {
      after: number;
      last: number;
      kept: readonly number[] | undefined;
    }): Promise<AsyncIterable<string>> {
      const { published, index: to } = await covering(last, kept);
      const before = after === 0 ? -1 : await evidence.indexOf(after);
      if (before === null) throw behind();
      const range = { from: before + 1, to };
      return writeBundle({ ...headOf(published, kept), range, consent: null }, bundledAll(pagesOf(store, after, last), published));
    },
  };
};
export type Bundles = ReturnType<typeof makeBundles>;

async function* onePage(events: readonly StoredEvent[]): AsyncGenerator<readonly StoredEvent[]> {
  yield events;
}

/** The facts of some streams, and of the clients, devices and PSUs that they name: who they were at that moment is part of it. */
const factsWith = async (store: EventStore, streams: readonly string[], head: number): Promise<readonly StoredEvent[]> => {
  const [facts, turns] = [new Map<string, readonly StoredEvent[]>(), makeTurns()];
  const read = async (stream: string) => {
    if (facts.has(stream)) return;
    facts.set(stream, await store.read(stream));
    await nextTurn();
  };
  for (const stream of streams) await read(stream);
  for (const event of [...facts.values()].flat()) {
    const told = decode(event);
    for (const { kind, id } of subjectsOf(told)) if (kind === 'client' || kind === 'device' || kind === 'psu') await read(`${kind}-${id}`);
    // Whose keys they were says whether these were destroyed.
    if (told.sealed !== null) await read(`psu-${told.sealed.psuId}`);
    await turns();
  }
  return [...facts.values()]
    .flat()
    .filter(({ position }) => position <= head)
    .sort((one, other) => one.position - other.position);
};
