import { BehaviorSubject, type Observable } from 'rxjs';
import type { SharedRecord, SharedRecords } from './records.ts';

const NAME = 'duty';
/** Who holds the duty says so this often. */
const BEAT_MS = 2000;
/** Who could not say so for this long holds it no more … */
const HOLD_MS = 8000;
/** … before another, who has heard nothing for this long, takes it. */
const SILENCE_MS = 12_000;

/** Which one of all nodes does what the log owes the world. */
export interface Duty {
  /** Whether it is this one, as that changes. */
  onDuty: Observable<boolean>;
  /**
   * False from a beat that failed on, until one succeeds. Where nobody can write, those of all nodes fail within some seconds: when the holder
   * is silent, each tries to take it.
   */
  isWell(): boolean;
  /** Hands it over at once, if it is this one. */
  close(): Promise<void>;
}

/**
 * A lease in a shared record. Nodes compare no clocks: each measures by its own how long ago it has written, or has seen the record change.
 * A node that stands still for longer than that, between looking whether it is on duty and acting, may act beside the next one: then a push
 * or a ping goes out twice, and no fact is recorded twice.
 */
export const sharedDuty = (
  records: SharedRecords,
  { nodeId, nowMs = () => performance.now(), onFault }: { nodeId: string; nowMs?: () => number; onFault(error: unknown): void },
): Duty => {
  const onDuty = new BehaviorSubject(false);
  let seen: { record: SharedRecord | null; at: number } | null = null;
  let lapse: NodeJS.Timeout | undefined;
  let underWay: Promise<void> | null = null;
  let isWell = true;

  const say = (ours: boolean) => {
    if (onDuty.value !== ours) onDuty.next(ours);
  };

  const hold = async (revision: number, at: number): Promise<void> => {
    if (!(await records.write(NAME, nodeId, revision))) return say(false);
    seen = { record: { text: nodeId, revision: revision + 1 }, at };
    clearTimeout(lapse);
    // Counted from before the write: another one may see it earlier than this one knows that it was kept.
    const left = at + HOLD_MS - nowMs();
    lapse = setTimeout(() => say(false), Math.max(0, left)).unref();
    say(left > 0);
  };

  const beat = async (): Promise<void> => {
    const at = nowMs();
    const record = await records.read(NAME);
    // What changed may have done so up to this moment; what is silent was so up to the moment before the look.
    if (seen === null || seen.record?.revision !== record?.revision) seen = { record, at: nowMs() };
    const free = record === null || record.text === '';
    if (free || record.text === nodeId || at - seen.at >= SILENCE_MS) return hold(record?.revision ?? -1, at);
    say(false);
  };

  const next = () => {
    underWay ??= beat()
      .then(
        () => {
          isWell = true;
        },
        (error) => {
          isWell = false;
          onFault(error);
        },
      )
      .finally(() => {
        underWay = null;
      });
  };
  const timer = setInterval(next, BEAT_MS).unref();
  next();

  return {
    onDuty,
    isWell: () => isWell,
    async close() {
      clearInterval(timer);
      await underWay;
      clearTimeout(lapse);
      const held = onDuty.value ? seen?.record : null;
      say(false);
      onDuty.complete();
      if (held != null) await records.write(NAME, '', held.revision).catch(onFault);
    },
  };
};
