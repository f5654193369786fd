import shared from '@eventstore/db-client/generated/shared_pb.js';
import pb, { type ReadReq, type ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import type { Call } from './kurrentdb-connection.ts';
import type { Recorded } from './kurrentdb-envelope.ts';

type Options = ReadReq.Options;
const { Options } = pb.ReadReq;
const EMPTY = new shared.Empty();
// How much of the log a filtered read or subscription looks through at a time, and so how often a subscription tells how far it is.
const SEARCH_WINDOW = 1000;

/** A place in the log file, as a server names it. */
export interface Place {
  commit: number;
  prepare: number;
}

/** The streams of some categories. */
export const ofCategories = (categories: readonly string[]): ReadReq.Options.FilterOptions =>
  new Options.FilterOptions()
    .setStreamIdentifier(new Options.FilterOptions.Expression().setPrefixList(categories.map((category) => `${category}-`)))
    .setMax(SEARCH_WINDOW)
    .setCheckpointintervalmultiplier(1);

/** At most `count` events of a stream from a revision on. */
export const ofStream = (stream: string, fromRevision: number, count: number): ReadReq => {
  const from = new Options.StreamOptions().setStreamIdentifier(identifierOf(stream)).setRevision(String(fromRevision));
  return request(new Options().setStream(from).setCount(String(count)).setNoFilter(EMPTY));
};

/** The newest event of a stream. */
export const newestOf = (stream: string): ReadReq => {
  const end = new Options.StreamOptions().setStreamIdentifier(identifierOf(stream)).setEnd(EMPTY);
  const options = new Options().setStream(end).setCount('1').setNoFilter(EMPTY);
  return request(options.setReadDirection(Options.ReadDirection.BACKWARDS));
};

/** A stream by its name. */
export const identifierOf = (stream: string) => new shared.StreamIdentifier().setStreamName(Buffer.from(stream));

/** At most `count` events of the log from a position on, with what stands there. */
export const ofAll = (position: number, count: number, filter: ReadReq.Options.FilterOptions): ReadReq =>
  request(new Options().setAll(from(position)).setCount(String(count)).setFilter(filter));

/** At most `count` events of everything that the cluster holds, the newest first: those before a place, or from the end on. */
export const backwards = (before: Place | null, count: number): ReadReq => {
  const all = before === null ? new Options.AllOptions().setEnd(EMPTY) : from(before.commit, before.prepare);
  const options = new Options().setAll(all).setCount(String(count)).setNoFilter(EMPTY);
  return request(options.setReadDirection(Options.ReadDirection.BACKWARDS));
};

/** The events behind a position, and then those that follow. */
export const subscription = (after: Place, filter: ReadReq.Options.FilterOptions): ReadReq =>
  request(new Options().setAll(from(after.commit, after.prepare)).setSubscription(new Options.SubscriptionOptions()).setFilter(filter));

const from = (position: number, prepare = position): ReadReq.Options.AllOptions => {
  if (position === 0) return new Options.AllOptions().setStart(EMPTY);
  const place = new Options.Position().setCommitPosition(String(position)).setPreparePosition(String(prepare));
  return new Options.AllOptions().setPosition(place);
};

const request = (options: Options): ReadReq =>
  new pb.ReadReq().setOptions(options.setUuidOption(new Options.UUIDOption().setString(EMPTY)));

/** Makes a read: all of its events, or an error; none of a stream that does not exist. */
export const reading =
  (request: ReadReq): Call<Recorded[]> =>
  async (...call) => {
    const events: Recorded[] = [];
    const options = request.getOptions();
    // A server would look on for one more that its filter selects, to the end of all that it holds.
    const most = options?.hasFilter() ? Number(options.getCount()) : Number.POSITIVE_INFINITY;
    await taking(request, (event) => events.push(event) < most)(...call);
    return events;
  };

/** How far a read was looked through. */
export interface Looked {
  /** What was looked for. */
  found: Recorded | null;
  /** The first event that came, and the last one; null if none did, for there is none. */
  newest: Place | null;
  oldest: Place | null;
}

/** Makes a read backwards, up to the first event that is wanted. What came before the time was over counts, unless nothing did. */
export const looking =
  (request: ReadReq, isWanted: (event: Recorded) => boolean): Call<Looked> =>
  async (...call) => {
    let looked: Looked = { found: null, newest: null, oldest: null };
    const look = (event: Recorded) => {
      const oldest = { commit: Number(event.getCommitPosition()), prepare: Number(event.getPreparePosition()) };
      looked = { found: isWanted(event) ? event : null, newest: looked.newest ?? oldest, oldest };
      return looked.found === null;
    };
    await taking(
      request,
      look,
    )(...call).catch((error) => {
      if (looked.oldest === null) throw error;
    });
    return looked;
  };

/** Hands over the events of a read for as long as `take` says that it wants more. */
const taking =
  (request: ReadReq, take: (event: Recorded) => boolean): Call<void> =>
  (streams, args) =>
    new Promise((resolve, reject) => {
      let [ok, wantsMore] = [false, true];
      const call = streams.read(request, ...args);
      call.on('data', (response: ReadResp) => {
        const recorded = response.getEvent()?.getEvent();
        if (recorded === undefined || !wantsMore) return;
        wantsMore = take(recorded);
        if (wantsMore) return;
        resolve();
        call.cancel();
      });
      call.on('status', ({ code }) => {
        ok = code === 0;
      });
      call.on('error', reject);
      // A call that failed ends as well.
      call.on('end', () => ok && resolve());
    });
