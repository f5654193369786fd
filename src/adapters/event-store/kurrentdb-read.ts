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

/** The newest event of the log; without a filter, of everything that the cluster holds. */
export const newest = (filter: ReadReq.Options.FilterOptions | null): ReadReq => {
  const options = new Options().setAll(new Options.AllOptions().setEnd(EMPTY)).setCount('1');
  if (filter === null) options.setNoFilter(EMPTY);
  else options.setFilter(filter);
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
  (streams, args) =>
    new Promise((resolve, reject) => {
      const events: Recorded[] = [];
      const options = request.getOptions();
      const most = options?.hasFilter() ? Number(options.getCount()) : Number.POSITIVE_INFINITY;
      let ok = false;
      const call = streams.read(request, ...args);
      call.on('data', (response: ReadResp) => {
        const recorded = response.getEvent()?.getEvent();
        if (recorded !== undefined) events.push(recorded);
        // A server would look on for one more that its filter selects, to the end of all that it holds.
        if (events.length !== most) return;
        resolve(events);
        call.cancel();
      });
      call.on('status', ({ code }) => {
        ok = code === 0;
      });
      call.on('error', reject);
      // A call that failed ends as well.
      call.on('end', () => ok && resolve(events));
    });
