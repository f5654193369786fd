import type { Observable } from 'rxjs';

/** News that came one after another. `caughtUp` says that nothing newer was there when the page was made. */
export interface NewsPage {
  news: readonly unknown[];
  caughtUp: boolean;
}

/**
 * What nodes tell one another beside the log: JSON that is no fact, that nobody replays, and that is forgotten after its time. It comes in
 * any order, and maybe more than once.
 */
export interface News {
  /**
   * Resolves when it is kept: every node hears it, this one too, and for so many seconds those that start. There are few different numbers
   * of seconds. Rejects where it is not known to be kept.
   */
  publish(news: object, seconds: number): Promise<void>;
  /** What is still kept of all nodes, then what follows; the first page with `caughtUp` marks the border. Ends when the store is closed. */
  follow(): Observable<NewsPage>;
}
