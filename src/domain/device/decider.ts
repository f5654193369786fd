import type { Decider, Decision } from '../decider.ts';
import { OAuthError } from '../oauth-error.ts';
import type { Sealed } from '../ports/sealer.ts';
import { type DeviceEvents, type DeviceFact, type DevicePublicKey, deviceEvents } from './events.ts';

type DataOf<T extends DeviceFact['type']> = Extract<DeviceFact, { type: T }>['data'];

/** An offer to enrol: good for one registration with its challenge. */
export interface OfferedDevice {
  status: 'offered';
  psuId: string;
  challengeHash: string;
  expiresAt: number;
}

/** A device that was registered: active, or revoked for ever. */
export interface RegisteredDevice {
  status: 'active' | 'revoked';
  psuId: string;
  publicKey: DevicePublicKey;
  keyThumbprint: string;
  registeredAt: number;
  /** Name, model and first push token. */
  sealed: Sealed;
  /** The event that holds the push token in use; null when the push service has said that it is gone. */
  token: { type: 'DeviceRegistered' | 'DevicePushTokenReplaced'; revision: number; sealed: Sealed } | null;
}

export type Device = { status: 'absent' } | OfferedDevice | RegisteredDevice;
type Decides = Decision<Device, DeviceEvents>;

/** A device, from its events. */
export const device: Decider<Device, DeviceEvents> = {
  events: deviceEvents,
  initial: { status: 'absent' },
  evolve(state, event) {
    if (event.type === 'DeviceEnrolmentOffered') return { status: 'offered', ...event.data };
    if (event.type === 'DeviceRegistered') {
      const { psuId, publicKey, keyThumbprint, at } = event.data;
      return { status: 'active', psuId, publicKey, keyThumbprint, registeredAt: at, sealed: event.sealed, token: event };
    }
    if (state.status === 'absent' || state.status === 'offered') return state;
    switch (event.type) {
      case 'DevicePushTokenReplaced':
        return { ...state, token: event };
      case 'DevicePushTokenDied':
        return { ...state, token: null };
      case 'DeviceRevoked':
        return { ...state, status: 'revoked' };
    }
  },
};

/** The PSU, signed in elsewhere, may enrol a device: one challenge, one registration. */
export const offer =
  (data: DataOf<'DeviceEnrolmentOffered'>): Decides =>
  (state) =>
    state.status === 'absent' ? [{ type: 'DeviceEnrolmentOffered', data }] : [];

/** A device states its key, whose possession the caller has verified over the challenge. */
export interface Registration {
  challengeHash: string;
  publicKey: DevicePublicKey;
  keyThumbprint: string;
  name: string;
  model: string;
  pushToken: string | null;
  at: number;
}

/** Registers the device that was offered. The same key again records nothing; another key, a wrong or an old challenge is refused. */
export const register =
  ({ challengeHash, publicKey, keyThumbprint, name, model, pushToken, at }: Registration): Decides =>
  (state) => {
    if (state.status === 'active' && state.keyThumbprint === keyThumbprint) return [];
    if (state.status !== 'offered' || state.challengeHash !== challengeHash)
      throw new OAuthError('not_found', 'no such enrolment, or its challenge was used');
    if (at >= state.expiresAt) throw new OAuthError('gone', 'the enrolment has expired');
    const data = { psuId: state.psuId, publicKey, keyThumbprint, hasPushToken: pushToken !== null, at };
    return [{ type: 'DeviceRegistered', data, personal: { name, model, pushToken } }];
  };

/** The device, if it may act: what is not registered does not exist, what was revoked may not. */
export const activeDevice = (state: Device): RegisteredDevice => {
  if (state.status === 'absent' || state.status === 'offered') throw new OAuthError('invalid_token', 'no such device');
  if (state.status === 'revoked') throw new OAuthError('access_denied', 'the device was revoked');
  return state;
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

/** Ends a device for ever. Again is once. */
export const revoke =
  (by: DataOf<'DeviceRevoked'>['by'], psuId: string, at: number): Decides =>
  (state) => {
    if (state.status === 'absent' || state.status === 'offered' || state.psuId !== psuId)
      throw new OAuthError('not_found', 'no such device');
    return state.status === 'active' ? [{ type: 'DeviceRevoked', data: { psuId, by, at } }] : [];
  };
