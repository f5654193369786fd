import type { Decide, Load } from '../../domain/decide.ts';
import { device, endReplaced } from '../../domain/device/decider.ts';
import { pushTokenOf } from '../../domain/device/described.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { phonesOf } from '../../projections/phone-lookup.ts';
import type { ReadModels } from '../read-models.ts';

/** What is done about phones is done with these. */
export interface PhoneDeps {
  decide: Decide;
  load: Load;
  sealer: Sealer;
  readModels: ReadModels;
  clock: Clock;
  ids: Ids;
}

/**
 * Leaves a PSU one phone with this push token, the one that got it last: two are one app that was enrolled anew, as the reference's key
 * over user and push id has it. Whoever does it, and however often, the same one stays.
 */
export const makeEndReplacedPhones =
  ({ decide, load, sealer, readModels, clock, ids }: PhoneDeps) =>
  async (psuId: string, pushToken: string): Promise<void> => {
    const withToken = phonesOf(readModels.rows, psuId).map(async ({ deviceId }) => {
      const state = await load(device, deviceId);
      const token = state.status === 'active' && pushTokenOf(state, sealer) === pushToken ? state.token : null;
      return token === null ? [] : [{ deviceId, token }];
    });
    const found = (await Promise.all(withToken)).flat().toSorted((one, other) => one.token.position - other.token.position);
    const stays = found.pop();
    for (const { deviceId, token } of found) {
      const actor = { kind: 'device', id: stays?.deviceId ?? deviceId } as const;
      const command = { id: ids.uuid(), actor, correlationId: deviceId, causationId: null };
      const { position } = await decide(device, deviceId, endReplaced(token.revision, clock()), command);
      await readModels.reached(position);
    }
  };
export type EndReplacedPhones = ReturnType<typeof makeEndReplacedPhones>;
