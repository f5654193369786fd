import type { Config } from '../../config.ts';
import type { DomainEvent } from '../../domain/catalogue.ts';
import type { UnreadableEvent } from '../../domain/events.ts';
import type { OAuthErrorCode } from '../../domain/oauth-error.ts';

/** A question to the owner: the number that its answer comes with, the function, and its arguments. */
export type Ask = [id: number, method: string, args: readonly unknown[]];

/** An error; `code` is that of a refusal which the caller may see. */
export interface Thrown {
  name: string;
  message: string;
  code?: OAuthErrorCode;
}

/** What came of it: the result, or the error that the function threw. */
export type Answer = [id: number, result: unknown] | [id: number, result: null, error: Thrown];

/** How far the rows have come, and with which events. */
export interface News {
  position: number;
  events: [stream: string, type: DomainEvent['type'], recordedAt: number][];
}

/** What a worker says: that it is there; that it listens, or why it cannot; once in each turn of its event loop, what it asks. */
export type FromWorker = { joined: true } | { listening: true } | { failed: string } | { asks: readonly Ask[] };

/**
 * What the owner says: the settings and how far the rows are, as the first of all; then, once in each turn, what has happened and what came
 * of questions, in this order: whoever is told that something was kept finds it in the rows. Behind all news, which event has stopped the
 * rows, where this version cannot read it. At last, to stop.
 */
export type FromOwner =
  | { begin: { config: Config; position: number } }
  | { news: News | null; answers: readonly Answer[] }
  | { halted: UnreadableEvent['event'] }
  | { stop: true };
