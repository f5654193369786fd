import * as z from 'zod';
import type { Config } from '../config.ts';
import type { EventStore, StoredEvent } from '../domain/ports/event-store.ts';
import { type Json, makeReplay, type Replay } from '../domain/replay.ts';
import { CommandFailed } from './command-failed.ts';
import { line, readHistory } from './history.ts';
import { openToRead } from './log.ts';
import { type Output, progressOf, type Tell } from './output.ts';

const PAGE = 1000;

/** What is replayed: all of the log, or the story of one consent; up to a position, or to a moment (both included). */
export interface ReplayOf {
  consentId: string | null;
  until: string | null;
  json: boolean;
}

/**
 * Folds the facts of the log through the deciders that took them there, and prints what each of them changed, also while an engine runs. What is
 * personal stays sealed. `json`: a line for each fact, with the state of its stream after it.
 */
export const replay = async (config: Config, { consentId, until, json }: ReplayOf, output: Output): Promise<void> => {
  const end = endOf(until);
  const { print, progress } = output;
  const played = makeReplay();
  const play = json ? playAsJson : playForPeople;
  const facts = consentId === null ? wholeLog(config, end, output) : storyOf(config, consentId, output);
  let count = 0;
  for await (const event of facts) {
    if (end.isBefore(event)) break;
    count += 1;
    for (const text of play(played, event)) print(text);
  }
  progress?.('');
  if (consentId !== null && count === 0) throw new CommandFailed(`there is nothing of a consent ${consentId} in the log`);
  if (!json) print(`${count} facts`);
};

async function* storyOf(config: Config, consentId: string, output: Output): AsyncGenerator<StoredEvent, undefined> {
  yield* await readHistory(config, consentId, tellerTo(output));
}

async function* wholeLog(config: Config, end: End, output: Output): AsyncGenerator<StoredEvent, undefined> {
  const log = await openToRead(config);
  try {
    const tell = output.progress === null ? () => undefined : progressOf('replayed', await totalOf(config, log, end), output);
    let events = 0;
    for (let at = 0; ; ) {
      const page = await log.readAll(at, PAGE);
      for (const event of page) {
        yield event;
        events += 1;
        tell(event.position, events);
      }
      if (page.length < PAGE) return;
      at = page.at(-1)?.position ?? at;
    }
  } finally {
    await log.close();
  }
}

const instant = z.iso.datetime({ offset: true });

/** Up to where a replay goes: a moment is looked for where each position has its fact, as in a file. Else that is how far the log goes. */
const totalOf = async (config: Config, log: EventStore, { position, moment }: End): Promise<number> => {
  const head = await log.head();
  if (moment !== null && config.store.kind === 'sqlite') return lastAt(log, moment, head);
  return position === null ? head : Math.min(position, head);
};

/** Facts alone go to standard output, so that without a terminal nothing tells how far it is. */
const tellerTo =
  (output: Output) =>
  (what: string, total: number): Tell =>
    output.progress === null ? () => undefined : progressOf(what, total, output);

/** Where a replay ends: the first fact that is not played. */
interface End {
  position: number | null;
  moment: number | null;
  isBefore(event: StoredEvent): boolean;
}

/** The clocks of a cluster's leaders may differ: the first fact that was recorded after the moment ends it. */
const endOf = (until: string | null): End => {
  if (until === null) return { position: null, moment: null, isBefore: () => false };
  if (/^\d{1,15}$/.test(until)) {
    const end = Number(until);
    return { position: end, moment: null, isBefore: ({ position }) => position > end };
  }
  if (!instant.safeParse(until).success)
    throw new CommandFailed(`--until ${until}: expected a position, or a moment such as 2026-11-23T12:00:00Z`);
  const moment = Date.parse(until);
  return { position: null, moment, isBefore: ({ recordedAt }) => recordedAt > moment };
};

const lastAt = async (log: EventStore, moment: number, head: number): Promise<number> => {
  let [early, end] = [0, head];
  // Everything up to `early` was recorded by then, and nothing behind `end`.
  while (early < end) {
    const middle = Math.floor((early + end) / 2);
    const [event] = await log.readAll(middle, 1);
    if (event !== undefined && event.recordedAt <= moment) early = event.position;
    else end = middle;
  }
  return early;
};

function* playAsJson(played: Replay, event: StoredEvent): Generator<string> {
  played.apply(event);
  yield JSON.stringify({ ...event, data: JSON.parse(event.data), state: played.state(event.stream) });
}

function* playForPeople(played: Replay, event: StoredEvent): Generator<string> {
  const before = membersOf(played.state(event.stream));
  played.apply(event);
  const after = membersOf(played.state(event.stream));
  const [position, moment, type, actor] = line(event);
  yield `${position}  ${moment}  ${type}  ${actor}  ${event.stream}`;
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [was, is] = [textOf(before[name]), textOf(after[name])];
    if (was !== is) yield `    ${name}: ${was === null ? '' : `${was} → `}${is ?? 'none'}`;
  }
}

const membersOf = (state: Json): Readonly<Record<string, Json>> =>
  typeof state === 'object' && state !== null && !Array.isArray(state) ? (state as Record<string, Json>) : { state };

const textOf = (value: Json | undefined): string | null => {
  if (value === undefined) return null;
  return typeof value === 'string' ? value : JSON.stringify(value);
};
