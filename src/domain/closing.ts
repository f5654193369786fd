import type { StoredEvent } from './ports/event-store.ts';

const DAY_SECONDS = 86_400;

/** The days that a finished stream stays in the log before it is archived, by class. */
export interface ArchiveDays {
  requestDays: number;
  deliveryDays: number;
  grantDays: number;
}

// Consents with their history, devices, clients, subscriptions and signing keys stay.
const CLASSES: Readonly<Record<string, keyof ArchiveDays>> = {
  cibaRequest: 'requestDays',
  authorization: 'requestDays',
  authentication: 'requestDays',
  push: 'deliveryDays',
  notification: 'deliveryDays',
  eventNotification: 'deliveryDays',
  grant: 'grantDays',
};

/** Which streams are archived, and when. */
export interface Closing {
  /** The shortest time, in seconds, that anything stays in the log. */
  soonestSeconds: number;
  /** The seconds that a stream stays after it is over; null for one that always stays. */
  staysSeconds(stream: string): number | null;
  /** When a stream with these events is over, in epoch seconds: nothing has happened to it since, and whatever they say expires has expired. */
  overAt(events: readonly StoredEvent[]): number;
}

/** Archives streams by class and age. Nothing depends on it: what is archived is read, and decided on, as if it were not. */
export const closingAfter = (days: ArchiveDays): Closing => ({
  soonestSeconds: Math.min(...Object.values(CLASSES).map((group) => days[group])) * DAY_SECONDS,
  staysSeconds(stream) {
    const group = CLASSES[stream.slice(0, stream.indexOf('-'))];
    return group === undefined ? null : days[group] * DAY_SECONDS;
  },
  overAt: (events) => events.reduce((latest, event) => Math.max(latest, endOf(event)), 0),
});

const endOf = ({ recordedAt, data }: StoredEvent): number => {
  const { expiresAt = 0 } = JSON.parse(data) as { expiresAt?: number };
  return Math.max(Math.ceil(recordedAt / 1000), expiresAt);
};
