import type { ReadReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import type { Subscription } from 'rxjs';
import type { Entry, ServerLog } from './log.ts';
import {
  caughtUpResponse,
  checkpointResponse,
  confirmationResponse,
  eventResponse,
  invalidPosition,
  notFoundResponse,
  streamDeleted,
  streamIn,
} from './messages.ts';

/** What a node does otherwise than others, for as long as it is set. */
export interface Quirks {
  /** Subscriptions show every event twice. */
  twice: boolean;
  /** Subscriptions show two events in each other's place. */
  swapped: boolean;
  /** As older servers do, subscriptions do not say where the past ends. */
  withoutCaughtUp: boolean;
  /** A repeated append is not known for one. */
  forgetful: boolean;
  /** It takes no appends. */
  readOnly: boolean;
  /** A repeated append is answered without its position, as one is that not all nodes have yet. */
  withoutPosition: boolean;
  /** As during an election, subscriptions are confirmed and then fail. */
  confirmsOnly: boolean;
  /** Looking through a hundred events of the log takes so many milliseconds. */
  lookingMs: number;
}

/** A subscription that is under way. */
export interface Shown {
  stop(): void;
}

const BACKWARDS = 1;
const PAGE = 100;

const pageLooked = ({ lookingMs }: Quirks): Promise<void> =>
  new Promise((resolve) => void (lookingMs === 0 ? setImmediate(resolve) : setTimeout(resolve, lookingMs).unref()));

/** What a read that ends shows. */
export const readOf = (log: ServerLog, options: ReadReq.Options, quirks: Quirks): Iterable<ReadResp> | AsyncIterable<ReadResp> => {
  const count = Number(options.getCount());
  const backwards = options.getReadDirection() === BACKWARDS;
  const named = options.getStream();
  if (named === undefined) {
    const part = inTurn(partOfAll(log, options, backwards), backwards);
    return selected(part, selects(options), count, quirks);
  }
  const stream = streamIn(named.getStreamIdentifier());
  if (log.isDeleted(stream)) throw streamDeleted(stream);
  const entries = log.visible(stream);
  if (entries === null) return [notFoundResponse(stream)];
  const revision = named.hasRevision() ? Number(named.getRevision()) : named.hasEnd() ? Number.POSITIVE_INFINITY : 0;
  const begins = (entry: Entry) => (backwards ? entry.revision <= revision : entry.revision >= revision);
  return [...inTurn(entries.filter(begins), backwards)].slice(0, count).map(eventResponse);
};

/** The events that a filter selects, as they are found: that there are enough is seen at the next one, or where there are no more. */
async function* selected(entries: Iterable<Entry>, isSelected: (entry: Entry) => boolean, count: number, quirks: Quirks) {
  let [looked, found] = [0, 0];
  for (const entry of entries) {
    looked += 1;
    if (looked % PAGE === 0) await pageLooked(quirks);
    if (!isSelected(entry)) continue;
    if (found === count) return;
    found += 1;
    yield eventResponse(entry);
  }
}

function* inTurn(entries: readonly Entry[], backwards: boolean): Generator<Entry> {
  if (!backwards) return yield* entries;
  for (let index = entries.length - 1; index >= 0; index -= 1) yield entries[index] as Entry;
}

const partOfAll = (log: ServerLog, options: ReadReq.Options, backwards: boolean): readonly Entry[] => {
  const all = options.getAll();
  if (all?.hasStart()) return backwards ? [] : log.all();
  if (all?.hasEnd()) return backwards ? log.all() : [];
  // Forwards with what stands at the position, backwards without it.
  const place = Number(all?.getPosition()?.getCommitPosition());
  const from = behind(log.all(), place - 1);
  if (from[0]?.position !== place) throw invalidPosition(place);
  return backwards ? log.all().slice(0, log.all().length - from.length) : from;
};

const selects = (options: ReadReq.Options): ((entry: Entry) => boolean) => {
  const filter = options.getFilter();
  if (filter === undefined) return () => true;
  const onStream = filter.getStreamIdentifier();
  const expression = onStream ?? filter.getEventType();
  const [prefixes, pattern] = [expression?.getPrefixList() ?? [], new RegExp(expression?.getRegex() || '(?!)')];
  return (entry) => {
    const name = onStream === undefined ? entry.type : entry.stream;
    return prefixes.some((prefix) => name.startsWith(prefix)) || pattern.test(name);
  };
};

/** Shows the past behind a position, then what is written, until it is stopped. `ready` is waited for before anything is shown. */
export const subscribeTo = (
  log: ServerLog,
  options: ReadReq.Options,
  quirks: Quirks,
  write: (response: ReadResp) => void,
  ready: () => Promise<void>,
): Shown => {
  const all = options.getAll();
  const isSelected = selects(options);
  const interval = (options.getFilter()?.getMax() ?? 32) * (options.getFilter()?.getCheckpointintervalmultiplier() ?? 1);
  let at = all?.hasStart() ? -1 : all?.hasEnd() ? (log.all().at(-1)?.position ?? -1) : placeBefore(all?.getPosition());
  let considered = 0;
  let isPast = true;
  let stopped = false;
  let live: Subscription | undefined;
  let held: Entry | undefined;

  const show = (entry: Entry) => {
    if (quirks.swapped && held === undefined) {
      held = entry;
      return;
    }
    write(eventResponse(entry));
    if (quirks.twice) write(eventResponse(entry));
    if (quirks.swapped && held !== undefined) write(eventResponse(held));
    held = undefined;
  };

  const consider = (entry: Entry) => {
    at = entry.position;
    considered += 1;
    if (isSelected(entry)) show(entry);
    if (considered % interval === 0) write(checkpointResponse(entry, isPast));
  };

  const run = async () => {
    await ready();
    if (!stopped) write(confirmationResponse());
    while (!stopped) {
      const page = behind(log.all(), at).slice(0, PAGE);
      for (const entry of page) consider(entry);
      if (page.length < PAGE) break;
      await pageLooked(quirks);
    }
    if (stopped) return;
    isPast = false;
    if (!quirks.withoutCaughtUp) write(caughtUpResponse());
    let shown = Promise.resolve();
    live = log.commits.subscribe((entries) => {
      shown = shown.then(ready).then(() => {
        for (const entry of stopped ? [] : entries) consider(entry);
      });
    });
  };

  void run();
  return {
    stop() {
      stopped = true;
      live?.unsubscribe();
    },
  };
};

/** What a subscription is to begin behind: where nothing is prepared, the event that stands there is still to come. */
const placeBefore = (place: ReadReq.Options.Position | undefined): number => {
  const [commit, prepare] = [Number(place?.getCommitPosition()), Number(place?.getPreparePosition())];
  return prepare < commit ? commit - 1 : commit;
};

const behind = (entries: readonly Entry[], position: number): readonly Entry[] => {
  let [low, high] = [0, entries.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((entries[middle]?.position ?? 0) > position) high = middle;
    else low = middle + 1;
  }
  return entries.slice(low);
};
