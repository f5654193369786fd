import type { ReadReq, ReadResp } from '@eventstore/db-client/generated/streams_pb.js';
import { Observable } from 'rxjs';
import type { Page } from '../../domain/ports/event-store.ts';
import type { Connection } from './kurrentdb-connection.ts';
import { makePages } from './kurrentdb-pages.ts';
import { subscription } from './kurrentdb-read.ts';
import { mayPass, pauseBefore, Unreachable } from './kurrentdb-retry.ts';

/** What a follower needs of the store. */
interface Following {
  connection: Connection;
  filter: ReadReq.Options.FilterOptions;
  /** A follower compares itself with the log so often. */
  checkMs: number;
  head(): Promise<number>;
}

/**
 * Follows the log: a subscription that begins again, behind what was seen, whenever it is cut or stays silent while the log goes on. Errors
 * at an event that comes out of order or cannot be read: what is shown is the log as it stands, or nothing.
 */
export const makeFollow =
  ({ connection, filter, checkMs, head }: Following) =>
  (afterPosition: number): Observable<Page> =>
    new Observable((subscriber) => {
      const pages = makePages(afterPosition, (page) => subscriber.next(page));
      let cancel: () => void;
      let failures = 0;
      let again: NodeJS.Timeout;
      let next: NodeJS.Timeout;

      const take = (response: ReadResp) => {
        // A server confirms a subscription before it finds that it cannot serve it.
        if (!response.hasConfirmation()) failures = 0;
        try {
          pages.take(response);
        } catch (error) {
          subscriber.error(error);
        }
      };

      const subscribe = () => {
        const shown = subscribed(connection, subscription(pages.seen(), filter), take);
        cancel = shown.cancel;
        shown.ended.catch((error) => error).then(resubscribe);
      };

      const resubscribe = (error: unknown) => {
        if (subscriber.closed) return;
        pages.cut();
        if (error !== undefined && !mayPass(error)) return subscriber.error(error);
        again = setTimeout(subscribe, pauseBefore(failures));
        failures += 1;
      };

      // A connection can be dead without a word. A server of an older version does not say where the past ends.
      const check = async (was: { seen: number; head: number }) => {
        const seen = pages.seen().commit;
        if (seen === was.seen && pages.position() < was.head) cancel();
        // Where it cannot be asked, nothing is known of the border.
        const newest = await head().catch(() => null);
        if (subscriber.closed) return;
        if (newest !== null) pages.headWas(newest);
        checkLater({ seen, head: newest ?? was.head });
      };
      const checkLater = (was: { seen: number; head: number }) => {
        next = setTimeout(check, checkMs, was).unref();
      };

      subscribe();
      checkLater({ seen: -1, head: 0 });
      return () => {
        clearTimeout(again);
        clearTimeout(next);
        cancel();
      };
    });

/** Begins a subscription; `ended` rejects when it was cut, and resolves when the server ended it. Nothing is shown once it is cancelled. */
const subscribed = (connection: Connection, request: ReadReq, take: (response: ReadResp) => void) => {
  let cancelled = false;
  let cancelCall: (() => void) | undefined;
  const ended = connection.subscribe(
    (streams, args) =>
      new Promise<void>((resolve, reject) => {
        if (cancelled) return reject(new Unreachable());
        const call = streams.read(request, ...args);
        cancelCall = () => call.cancel();
        call.on('data', (response: ReadResp) => cancelled || take(response));
        call.on('error', reject);
        call.on('end', resolve);
      }),
  );
  const cancel = () => {
    cancelled = true;
    cancelCall?.();
  };
  return { ended, cancel };
};
