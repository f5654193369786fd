import { catchError, EMPTY, filter, type Observable } from 'rxjs';
import { cancel, cibaRequest } from '../../domain/ciba-request/decider.ts';
import { consent, revoke as revokeConsent } from '../../domain/consent/decider.ts';
import type { Load } from '../../domain/decide.ts';
import { device, revoke as revokeDevice } from '../../domain/device/decider.ts';
import { sealingSubject } from '../../domain/events.ts';
import type { Ids } from '../../domain/ports/clock.ts';
import { keysDestroyed, psu } from '../../domain/psu/decider.ts';
import { ONLY_KEY } from '../../domain/psu/retention.ts';
import { keysInUse } from '../expired-data.ts';
import { consentsOnlyOf, erasuresDue, livingOf } from '../psu-data.ts';
import type { Applied } from '../runner.ts';
import { engineCommand } from './engine-command.ts';
import { type DestroyDeps, recordExpired } from './expire-data.ts';
import type { Reaction } from './runner.ts';

const NAME = 'erase-psus';
const SCRUB_AGAIN_MS = 1000;

/** PsuErased → what lives of the PSU ends, their keys are destroyed, PsuKeysDestroyed. */
export const erasePsus = (deps: DestroyDeps): Reaction => ({
  name: NAME,
  after: ['PsuErased', 'PsuKeysDestroyed'],
  due: (limit) =>
    erasuresDue(deps.rows, limit).map(({ psuId, eventId }) => ({ key: psuId, act: () => finishErasure(deps, psuId, eventId) })),
});

/**
 * Finishes what the fact has begun. Each step is done again after a crash, and again is once: what had been under way when the PSU was erased
 * is ended, too, and the last fact comes when nothing can be opened any more.
 */
export const finishErasure = async (deps: DestroyDeps, psuId: string, eventId: string): Promise<void> => {
  const { decide, sealer, clock, ids, latest } = deps;
  await endAll(deps, psuId, eventId);
  await sealer.erase(psuId);
  // What was sealed by others before they heard of it is in the log now, or never will be.
  await latest();
  await endAll(deps, psuId, eventId);
  await destroyKeysOfConsents(deps, psuId, eventId);
  await decide(psu, psuId, keysDestroyed({ psuId, at: clock() }), command(ids, psuId, eventId));
};

/** Cancels, revokes: whoever had these ended them first, or now. */
const endAll = async ({ decide, rows, clock, ids }: DestroyDeps, psuId: string, eventId: string): Promise<void> => {
  const { requestIds, consentIds, deviceIds } = livingOf(rows, psuId);
  const at = clock();
  for (const id of requestIds) await decide(cibaRequest, id, cancel({ reason: 'consent_ended', at }), command(ids, id, eventId));
  for (const id of consentIds) await decide(consent, id, revokeConsent({ by: 'operator', at }), command(ids, id, eventId));
  for (const id of deviceIds) await decide(device, id, revokeDevice('operator', psuId, at), command(ids, id, eventId));
};

const command = (ids: Ids, correlationId: string, causationId: string) => engineCommand(ids, NAME, correlationId, causationId);

const KEYS_OF_CONSENT = ['consent.-', ONLY_KEY];

/** What was lodged for the PSU alone is sealed under keys of the consents. What clients are told of those is not about the PSU, and stays. */
const destroyKeysOfConsents = async (deps: DestroyDeps, psuId: string, eventId: string): Promise<void> => {
  const subjects = consentsOnlyOf(deps.rows, psuId).map((id) => sealingSubject(consent.events.category, id, {}));
  const keys = subjects.flatMap((subject) => keysInUse(deps.rows, subject, KEYS_OF_CONSENT));
  await recordExpired(deps, keys, { reaction: NAME, causationId: eventId });
  // Also those that a process had recorded before it died.
  await deps.sealer.destroy(subjects.flatMap((subject) => KEYS_OF_CONSENT.map((name) => ({ psuId: subject, name }))));
};

/**
 * Makes this process forget, at once, the keys of the PSUs who are erased and those whose time is over; and, where it writes the read models,
 * what those held of them, also on the disk. Returns how to stop.
 */
export const forgetWhatIsGone = (
  applied: Observable<Pick<Applied, 'events' | 'types'>>,
  { rows, sealer, load, onFault }: Pick<DestroyDeps, 'rows' | 'sealer'> & { load: Load; onFault(error: unknown): void },
): { stop(): void } => {
  let timer: NodeJS.Timeout | undefined;
  const scrub = () => {
    clearTimeout(timer);
    timer = undefined;
    let isDone = false;
    try {
      isDone = rows.scrub();
    } catch (error) {
      onFault(error);
    }
    // Somebody still reads what was there before.
    if (!isDone) scrubSoon();
  };
  const scrubSoon = () => {
    timer ??= setTimeout(scrub, SCRUB_AGAIN_MS).unref();
  };

  const watch = applied.subscribe({
    next({ events, types }) {
      if (types.has('PsuErased') || types.has('PsuKeysDestroyed')) {
        for (const { stream, type } of events) if (type === 'PsuErased') sealer.forget(psuIdIn(stream), 'all');
        scrub();
      }
      if (!types.has('PsuDataExpired')) return;
      // One page of them follows the other.
      scrubSoon();
      for (const { stream, type } of events)
        if (type === 'PsuDataExpired') load(psu, psuIdIn(stream)).then(({ expired }) => sealer.forget(psuIdIn(stream), expired), onFault);
    },
    error: () => undefined,
  });
  scrub();
  return {
    stop() {
      clearTimeout(timer);
      watch.unsubscribe();
    },
  };
};

/** Tells when something that could be opened no longer can. */
export const whenGone = (applied: Observable<Pick<Applied, 'types'>>): Observable<unknown> =>
  applied.pipe(
    filter(({ types }) => types.has('PsuErased') || types.has('PsuDataExpired')),
    catchError(() => EMPTY),
  );

const psuIdIn = (stream: string): string => stream.slice(psu.events.category.length + 1);
