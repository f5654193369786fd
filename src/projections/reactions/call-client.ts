import { type NotificationOutcome, outcomeOf } from '../../domain/notification/decider.ts';
import type { Ids } from '../../domain/ports/clock.ts';
import { type Outbound, OutboundFailed, OutboundRefused } from '../../domain/ports/outbound.ts';

/** The calls to one client that may be under way at once. */
export const CALLS_PER_CLIENT = 32;

/** Sends something to an endpoint of a client: JSON, unless the headers say otherwise. */
export const post = async (
  outbound: Outbound,
  url: string,
  body: string,
  more: Readonly<Record<string, string>> = {},
): Promise<NotificationOutcome> => {
  const headers = { 'content-type': 'application/json', ...more };
  try {
    // CIBA Core 1.0, section 10.2: what the client answers besides its status says nothing.
    const { status } = await outbound.fetch({ method: 'POST', url, headers, body, statusOnly: true });
    return outcomeOf(status);
  } catch (error) {
    if (error instanceof OutboundFailed) return { outcome: 'retry', reason: error.reason, status: null };
    if (error instanceof OutboundRefused) return refused(error.reason);
    throw error;
  }
};

/** What is not sent, or not taken, and is not tried again. */
export const refused = (reason: string, status: number | null = null): NotificationOutcome => ({ outcome: 'refused', reason, status });

/** A random number from 0 up to, and without, 1. */
export const fraction = (ids: Ids): number => Number.parseInt(ids.uuid().slice(-8), 16) / 2 ** 32;
