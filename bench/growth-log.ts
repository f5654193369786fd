import { systemIds } from '../src/adapters/clock.ts';
import { inMemoryEventStore } from '../src/adapters/event-store/in-memory.ts';
import { sealingContext, sealingSubject } from '../src/domain/events.ts';
import type { StoredEvent } from '../src/domain/ports/event-store.ts';
import type { Sealer } from '../src/domain/ports/sealer.ts';
import { type Answering, type Cast, ceremony, deciding, openNewLog } from './ceremony-log.ts';
import { enrol, newPhone } from './parties.ts';

const psuOf = (n: number) => ({ psuId: `psu-${n}`, deviceId: `device-${n}` });

/** The n-th ceremony, at a moment: so many PSUs take turns. */
export const castOf = (n: number, { at, psus }: { at: number; psus: number }): Cast => ({
  ...psuOf(n % psus),
  requestId: (at * 1000 + (n % 1000)).toString(36) + systemIds.secret(),
  accountId: `account-${n % psus}`,
  keyThumbprint: 'key',
  at,
});

/** An answer as long as a real one, where nobody looks at its signature. */
export const UNSIGNED: Answering = { shown: 'what was shown, about as long as a real one '.repeat(15), jws: () => 'j'.repeat(600) };

const PLAIN: Sealer = { seal: (_psuId, plaintext) => plaintext, open: ({ text }) => text };

/**
 * Writes the log of as many finished ceremonies, spread over so many days until now, straight into a new file: each is a copy of one that
 * the deciders made, with a request, tokens, ids and a time of its own, and sealed for itself. Gives how many events there are.
 */
export const writeLog = async (
  file: string,
  sealer: Sealer,
  { count, days, psus }: { count: number; days: number; psus: number },
): Promise<number> => {
  const log = openNewLog(file);
  const write = (event: StoredEvent) => {
    const subject = () => ({ psuId: subjectOf(event), retention: 'request', at: event.recordedAt / 1000 }) as const;
    const sealed = event.sealed && sealer.seal(subject(), event.sealed, sealingContext(event.stream, event.revision, event));
    log.write({ ...event, sealed });
  };
  const start = Math.floor(Date.now() / 1000) - days * 86_400;
  for (const event of await enrolments(start, psus)) write(event);
  const copy = copiesOf(await modelCeremony());
  for (let n = 0; n < count; n += 1)
    for (const event of copy(castOf(n, { at: start + Math.floor((n / count) * days * 86_400), psus }))) write(event);
  return log.close();
};

/** A phone for each PSU. */
const enrolments = async (at: number, psus: number): Promise<readonly StoredEvent[]> => {
  const { store, decide } = deciding(inMemoryEventStore({ now: () => at * 1000 }), PLAIN);
  for (let n = 0; n < psus; n += 1) {
    const { psuId, deviceId } = psuOf(n);
    await enrol(decide, { ...newPhone(psuId), deviceId }, { at, pushToken: `token of ${n}` });
  }
  return store.readAll(0, Number.MAX_SAFE_INTEGER);
};

const subjectOf = ({ stream, data }: StoredEvent): string => {
  const dash = stream.indexOf('-');
  return sealingSubject(stream.slice(0, dash), stream.slice(dash + 1), JSON.parse(data));
};

const FIRST_AT = 1_700_000_000;
const MODEL: Cast = { requestId: 'REQUEST', psuId: 'PSU', deviceId: 'DEVICE', accountId: 'ACCOUNT', keyThumbprint: 'key', at: FIRST_AT };

const modelCeremony = async (): Promise<readonly StoredEvent[]> => {
  const store = inMemoryEventStore({ now: () => FIRST_AT * 1000 });
  await ceremony(deciding(store, PLAIN), MODEL, UNSIGNED);
  return store.readAll(0, 100);
};

/** Copies of a ceremony. Hashes and ids of events are replaced wherever they stand: what refers to them still does. */
const copiesOf = (events: readonly StoredEvent[]) => {
  const text = JSON.stringify(events);
  const secrets = new Set(text.match(/(?<=\\")[A-Za-z0-9_-]{43}(?=\\")/g));
  const eventIds = new Set(text.match(/[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}/g));
  const times = new Set(text.match(/(?<!\d)17[0-9]{8}(?=\D)/g));
  const replaced = [...secrets, ...eventIds, ...times, 'REQUEST', 'PSU', 'DEVICE', 'ACCOUNT'];
  // Only the texts that hold one of them are looked through for it.
  const pieces = text.split(new RegExp(`(${replaced.join('|')})`));
  return ({ requestId, psuId, deviceId, accountId, at }: Cast): StoredEvent[] => {
    const own = new Map<string, string>([
      ['REQUEST', requestId],
      ['PSU', psuId],
      ['DEVICE', deviceId],
      ['ACCOUNT', accountId],
    ]);
    for (const secret of secrets) own.set(secret, systemIds.secret());
    for (const id of eventIds) own.set(id, systemIds.derived(`${requestId} ${id}`));
    for (const time of times) own.set(time, String(at + Number(time) - FIRST_AT));
    return JSON.parse(pieces.map((piece) => own.get(piece) ?? piece).join('')) as StoredEvent[];
  };
};
