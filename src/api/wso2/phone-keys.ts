import type { Load } from '../../domain/decide.ts';
import { type Device, device, ownDevice, type RegisteredDevice } from '../../domain/device/decider.ts';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock } from '../../domain/ports/clock.ts';
import type { DecodedJws, JwsReader, LeastRsaBits, PhoneKey } from '../../domain/ports/jws.ts';
import { importedOnce, timely } from '../approver/device-auth.ts';

// As far as the reference lets the clock of a phone be off.
const SKEW_SECONDS = 300;
const ISSUER = 'wso2verify';

/** A phone of the reference that may act, and the key that it signs with. */
export interface Phone {
  deviceId: string;
  registered: RegisteredDevice;
  key: PhoneKey;
}

/** The phones of the reference, by the statements that they sign. */
export interface PhoneKeys {
  /** The active phone with this id whose key is still taken; null for any other. */
  find(deviceId: string): Promise<Phone | null>;
  /** Whether it signed this statement for this server, and may say so now: one without an end may not. */
  signed(phone: Phone, statement: DecodedJws): boolean;
}

/** Reads each phone on its own stream; its key is imported once. */
export const makePhoneKeys = ({
  load,
  jws,
  clock,
  leastRsaBits,
  issuer,
  tenantDomain,
}: {
  load: Load;
  jws: JwsReader;
  clock: Clock;
  leastRsaBits: LeastRsaBits;
  issuer: string;
  tenantDomain: string;
}): PhoneKeys => {
  const keyOf = importedOnce((publicKey) => jws.phoneKey(publicKey, leastRsaBits));
  const isForUs = (aud: unknown) => aud === `${issuer}/t/${tenantDomain}/` || aud === `${issuer}/`;
  return {
    async find(deviceId) {
      const state = await load(device, deviceId);
      if (state.status !== 'active' || state.dialect === 'countersign') return null;
      const key = keyOf(state);
      return key && { deviceId, registered: state, key };
    },
    signed({ key, registered }, statement) {
      if (!statement.verify(key)) return false;
      const { exp, aud, iss } = statement.claims;
      if (typeof exp !== 'number' || !timely(statement.claims, clock(), { ahead: SKEW_SECONDS, behind: SKEW_SECONDS })) return false;
      // Apps of the newer dialect say neither who speaks nor to whom.
      return registered.dialect === 'push' ? aud === undefined || isForUs(aud) : iss === ISSUER && isForUs(aud);
    },
  };
};

/** The phone of the reference as its PSU may see it: another's, one that was removed and one of our own dialect do not exist. */
export const phoneOf = (state: Device, psuId: string): RegisteredDevice => {
  const own = ownDevice(state, psuId);
  if (own.dialect === 'countersign') throw new OAuthError('not_found', 'no such device');
  return own;
};
