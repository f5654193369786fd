import type { Decision } from '../decider.ts';
import { OAuthError } from '../oauth-error.ts';
import type { Device, Registration } from './decider.ts';
import type { DeviceEvents } from './events.ts';

/**
 * A device of another system, which has verified its key, goes on here under the id that it has. The same again records nothing, also when
 * the device was revoked here meanwhile.
 */
export const adopt =
  ({
    psuId,
    pushToken,
    name,
    model,
    ...registered
  }: Omit<Registration, 'challengeHash'> & { psuId: string }): Decision<Device, DeviceEvents> =>
  (state) => {
    if (state.status === 'absent') {
      const data = { psuId, ...registered, hasPushToken: pushToken !== null };
      return [{ type: 'DeviceRegistered', data, personal: { name, model, pushToken } }];
    }
    if (state.status === 'offered' || state.psuId !== psuId || state.keyThumbprint !== registered.keyThumbprint)
      throw new OAuthError('conflict', 'the id is that of another device');
    return [];
  };
