import type { Published } from '../../evidence/log.ts';
import { withLines } from '../../evidence/note.ts';
import type { WitnessClient } from './witness-client.ts';

const AGAIN_MS = 10_000;
const AGAIN_MOST_MS = 300_000;

/** What came of asking. */
export interface Cosigned {
  /** The witnesses that have cosigned now. */
  by: readonly string[];
  /** The note with the lines of all who have cosigned it, where they are as many as are wanted. */
  note: string | null;
}

/** Those who cosign the checkpoints of a log. */
export interface Witnesses {
  /** Asks those who have not cosigned this checkpoint yet, all at once; never rejects. One that fails is left alone for a while. */
  ask(checkpoint: Published, proofFrom: (older: number) => readonly Buffer[]): Promise<Cosigned>;
}

/** So many of these witnesses are wanted. `nowMs` is a clock that never goes back. */
export const witnessesOf = (
  clients: readonly WitnessClient[],
  {
    quorum,
    onFault,
    nowMs = () => performance.now(),
  }: { quorum: number; onFault(what: string, error: unknown): void; nowMs?: () => number },
): Witnesses => {
  const rests = new Map<string, { failures: number; until: number }>();
  let note = '';
  let lines = new Map<string, readonly string[]>();

  const askOne = async (client: WitnessClient, checkpoint: Published, proofFrom: (older: number) => readonly Buffer[]) => {
    try {
      const given = await client.cosign(checkpoint, proofFrom);
      rests.delete(client.name);
      return given;
    } catch (error) {
      const failures = (rests.get(client.name)?.failures ?? 0) + 1;
      rests.set(client.name, { failures, until: nowMs() + Math.min(AGAIN_MS * 2 ** failures, AGAIN_MOST_MS) });
      onFault(`witness ${client.name}`, error);
      return null;
    }
  };

  return {
    async ask(checkpoint, proofFrom) {
      if (checkpoint.note !== note) [note, lines] = [checkpoint.note, new Map()];
      const due = clients.filter(({ name }) => !lines.has(name) && (rests.get(name)?.until ?? 0) <= nowMs());
      const by: string[] = [];
      await Promise.all(
        due.map(async (client) => {
          const given = await askOne(client, checkpoint, proofFrom);
          if (given === null) return;
          lines.set(client.name, given);
          by.push(client.name);
        }),
      );
      return { by, note: lines.size >= quorum ? withLines(note, [...lines.values()].flat()) : null };
    },
  };
};
