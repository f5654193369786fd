import type { Decider, Decision } from '../decider.ts';
import { OAuthError } from '../oauth-error.ts';
import type { Sealed } from '../ports/sealer.ts';
import { type DeviceEvents, type DeviceFact, type DevicePublicKey, type Dialect, deviceEvents } from './events.ts';

type DataOf<T extends DeviceFact['type']> = Extract<DeviceFact, { type: T }>['data'];

/** An offer to enrol: good for one registration with its challenge. */
export interface OfferedDevice {
  status: 'offered';
  psuId: string;
  challengeHash: string;
  /** Where the challenge is sealed, which a phone of the reference signs and does not send; null where the device sends it. */
  challenge: Sealed | null;
  expiresAt: number;
}

/** A device that was registered: active, or revoked for ever. */
export interface RegisteredDevice {
  status: 'active' | 'revoked';
  psuId: string;
  publicKey: DevicePublicKey;
  keyThumbprint: string;
  dialect: Dialect;
  registeredAt: number;
  /** Name, model and first push token. */
  sealed: Sealed;
  /** The offer that it was registered by: by it a repeated registration is known for one. Null for one that came from another system. */
  offer: Omit<OfferedDevice, 'status' | 'psuId'> | null;
  /** The name that the device was given since; null where it has its first one. */
  renamed: Sealed | null;
  /** The event that holds the push token in use; null when the push service has said that it is gone. */
  token: { type: 'DeviceRegistered' | 'DevicePushTokenReplaced'; revision: number; position: number; sealed: Sealed } | null;
}

export type Device = { status: 'absent' } | OfferedDevice | RegisteredDevice;
type Decides = Decision<Device, DeviceEvents>;

/** A device, from its events. */
export const device: Decider<Device, DeviceEvents> = {
  events: deviceEvents,
  initial: { status: 'absent' },
  evolve(state, event) {
    if (event.type === 'DeviceEnrolmentOffered') return { status: 'offered', ...event.data, challenge: event.sealed };
    if (event.type === 'DeviceRegistered') {
      const { at, hasPushToken: _, ...registered } = event.data;
      const offer = state.status === 'offered' ? state : null;
      return { ...registered, status: 'active', offer, registeredAt: at, sealed: event.sealed, renamed: null, token: event };
    }
    if (state.status === 'absent' || state.status === 'offered') return state;
    switch (event.type) {
      case 'DeviceRenamed':
        return { ...state, renamed: event.sealed };
      case 'DevicePushTokenReplaced':
        return { ...state, token: event };
      case 'DevicePushTokenDied':
        return { ...state, token: null };
      case 'DeviceRevoked':
        return { ...state, status: 'revoked' };
    }
  },
};

/** The PSU, signed in elsewhere, may enrol a device: one challenge, one registration. A challenge that it will not send is kept. */
export const offer =
  (data: DataOf<'DeviceEnrolmentOffered'>, challenge: string | null = null): Decides =>
  (state) =>
    state.status === 'absent' ? [{ type: 'DeviceEnrolmentOffered', data, personal: challenge === null ? null : { challenge } }] : [];

/** A device states its key, whose possession the caller has verified over the challenge. */
export interface Registration {
  challengeHash: string;
  publicKey: DevicePublicKey;
  keyThumbprint: string;
  dialect: Dialect;
  name: string;
  model: string;
  pushToken: string | null;
  at: number;
}

/**
 * Registers the device that was offered. The same key again records nothing, or its new push token while the offer is good; another key,
 * another dialect, a wrong or an old challenge is refused. `tokenInUse` opens what is sealed.
 */
export const register =
  (
    { challengeHash, publicKey, keyThumbprint, dialect, name, model, pushToken, at }: Registration,
    tokenInUse: (device: RegisteredDevice) => string | null,
  ): Decides =>
  (state) => {
    const again = state.status === 'active' && state.keyThumbprint === keyThumbprint && state.dialect === dialect ? state : null;
    if (again !== null && (pushToken === null || tokenInUse(again) === pushToken)) return [];
    const offered = state.status === 'offered' ? state : again?.offer;
    if (offered?.challengeHash !== challengeHash) throw new OAuthError('not_found', 'no such enrolment, or its challenge was used');
    if (at >= offered.expiresAt) throw new OAuthError('gone', 'the enrolment has expired');
    if (again !== null && pushToken !== null) return replacePushToken(pushToken, at)(again);
    if (state.status !== 'offered') return [];
    const data = { psuId: state.psuId, publicKey, keyThumbprint, dialect, hasPushToken: pushToken !== null, at };
    return [{ type: 'DeviceRegistered', data, personal: { name, model, pushToken } }];
  };

/** The device, if it may act: what is not registered does not exist, what was revoked may not. */
export const activeDevice = (state: Device): RegisteredDevice => {
  if (state.status === 'absent' || state.status === 'offered') throw new OAuthError('invalid_token', 'no such device');
  if (state.status === 'revoked') throw new OAuthError('access_denied', 'the device was revoked');
  return state;
};

/** The PSU gives the device another name. */
export const rename =
  (name: string, psuId: string, at: number): Decides =>
  (state) => {
    ownDevice(state, psuId);
    return [{ type: 'DeviceRenamed', data: { psuId, at }, personal: { name } }];
  };

/** The app got a new registration token. */
export const replacePushToken =
  (pushToken: string, at: number): Decides =>
  (state) => [{ type: 'DevicePushTokenReplaced', data: { psuId: activeDevice(state).psuId, at }, personal: { pushToken } }];

/** The push service says that a token is gone. Again is once, and one that was replaced meanwhile changes nothing. */
export const pushTokenDied =
  (tokenRevision: number, at: number): Decides =>
  (state) =>
    state.status === 'active' && state.token?.revision === tokenRevision
      ? [{ type: 'DevicePushTokenDied', data: { psuId: state.psuId, tokenRevision, at } }]
      : [];

/** The device as its PSU may see it: one that is not theirs, or that is no more, does not exist. */
export const ownDevice = (state: Device, psuId: string): RegisteredDevice => {
  if (state.status !== 'active' || state.psuId !== psuId) throw new OAuthError('not_found', 'no such device');
  return state;
};

/** Ends a device whose push token has another one of its PSU now. One that got another token meanwhile goes on. */
export const endReplaced =
  (tokenRevision: number, at: number): Decides =>
  (state) =>
    state.status === 'active' && state.token?.revision === tokenRevision
      ? [{ type: 'DeviceRevoked', data: { psuId: state.psuId, by: 'device', at } }]
      : [];

/** Ends a device for ever. Again is once. */
export const revoke =
  (by: DataOf<'DeviceRevoked'>['by'], psuId: string, at: number): Decides =>
  (state) => {
    if (state.status === 'absent' || state.status === 'offered' || state.psuId !== psuId)
      throw new OAuthError('not_found', 'no such device');
    return state.status === 'active' ? [{ type: 'DeviceRevoked', data: { psuId, by, at } }] : [];
  };
