import type { Decide, Load } from '../../domain/decide.ts';
import { device, type OfferedDevice, offer, type RegisteredDevice, type Registration, register } from '../../domain/device/decider.ts';
import { pushTokenOf } from '../../domain/device/described.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Sealer } from '../../domain/ports/sealer.ts';
import { devicesOf, keyOfAnotherDevice, openOffers } from '../../projections/device-lookup.ts';
import type { ReadModels } from '../read-models.ts';

export interface EnrollingDeps {
  decide: Decide;
  load: Load;
  sealer: Sealer;
  readModels: ReadModels;
  clock: Clock;
  ids: Ids;
  expirySeconds: number;
  devicesPerPsu: number;
}

// A PSU who looks again gets another offer.
const OFFERS_PER_DEVICE = 2;

/** What every enrolment does, whichever dialect the device speaks. */
export const makeEnrolling = ({ decide, load, sealer, readModels, clock, ids, expirySeconds, devicesPerPsu }: EnrollingDeps) => {
  const withinLimit = (psuId: string) => {
    if (devicesOf(readModels.rows, psuId).length >= devicesPerPsu)
      throw new OAuthError('conflict', 'the PSU has as many devices as are allowed');
  };

  return {
    /** Offers an enrolment, and gives the id of the device that it is for. A challenge that the device will not send is kept, sealed. */
    async offer(psuId: string, challenge: string, { kept }: { kept: boolean }): Promise<string> {
      withinLimit(psuId);
      const deviceId = ids.uuid();
      const at = clock();
      // Each offer is kept for ever: a caller who goes on asking cannot fill the log.
      if (openOffers(readModels.rows, psuId, at) >= OFFERS_PER_DEVICE * devicesPerPsu)
        throw new OAuthError('conflict', 'the PSU has as many open offers as are allowed: use one, or wait until they expire');
      const command = { id: ids.uuid(), actor: { kind: 'psu', id: psuId } as const, correlationId: deviceId, causationId: null };
      const data = { psuId, challengeHash: ids.hash(challenge), at, expiresAt: at + expirySeconds };
      const { position } = await decide(device, deviceId, offer(data, kept ? challenge : null), command);
      await readModels.reached(position);
      return deviceId;
    },

    /** Registers a device that has proved over the challenge that it holds its key, and gives its PSU. */
    async register(
      deviceId: string,
      { challenge, ...stated }: Omit<Registration, 'challengeHash' | 'at'> & { challenge: string },
    ): Promise<string> {
      if (keyOfAnotherDevice(readModels.rows, stated.keyThumbprint, deviceId))
        throw new OAuthError('conflict', 'the key belongs to another device');
      const state = await load(device, deviceId);
      // Several offers may be open at once: each of them was within the limit when it was made.
      if (state.status === 'offered') withinLimit(state.psuId);
      const command = { id: ids.uuid(), actor: { kind: 'device', id: deviceId } as const, correlationId: deviceId, causationId: null };
      const decision = register({ ...stated, challengeHash: ids.hash(challenge), at: clock() }, (registered) =>
        pushTokenOf(registered, sealer),
      );
      const { position } = await decide(device, deviceId, decision, command);
      await readModels.reached(position);
      // What cannot be registered was refused.
      return (state as OfferedDevice | RegisteredDevice).psuId;
    },
  };
};
