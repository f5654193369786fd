import { hash } from 'node:crypto';
import { type Device, type Fact, goesOn, momentOf, type Say, type World } from './world.ts';

interface Registered {
  psuId: string;
  publicKey: Record<string, unknown>;
  keyThumbprint: string;
  /** Absent in version 1, when there was one. */
  dialect?: string;
}

/** R2: a device is offered at most once, registered once, under a key whose thumbprint is the one recorded, and revoked at most once. */
export const deviceFact = (world: World, fact: Fact, say: Say): void => {
  const { type, id, at, data } = fact;
  const psuId = data['psuId'] as string;
  const device = world.devices.get(id);
  switch (type) {
    case 'DeviceEnrolmentOffered':
      if (device !== undefined) say('R2', 'the device was offered or registered before');
      world.devices.set(id, { ...NOT_REGISTERED, psuId, offerEndsAt: data['expiresAt'] as number });
      return;
    case 'DeviceRegistered': {
      const { publicKey, keyThumbprint, dialect = 'countersign' } = data as unknown as Registered;
      if (device?.publicKey != null) say('R2', 'the device was registered before');
      else if (device !== undefined && (device.psuId !== psuId || at >= device.offerEndsAt))
        say('R2', 'the device was offered to another PSU, or the offer was over');
      if (thumbprintOf(publicKey) !== keyThumbprint) say('R2', 'the thumbprint is not that of the key');
      world.devices.set(id, { ...NOT_REGISTERED, psuId, publicKey, keyThumbprint, dialect });
      return;
    }
    default:
      if (device?.publicKey == null || device.revoked !== null || device.psuId !== psuId) {
        say('R2', 'the device is not registered for this PSU, or was revoked before');
        return;
      }
      if (type === 'DeviceRevoked') device.revoked = momentOf(fact);
  }
};

const NOT_REGISTERED: Device = { psuId: '', publicKey: null, keyThumbprint: '', dialect: '', offerEndsAt: 0, revoked: null };

/** R2: the device, if it is registered for this PSU and was not revoked before. */
export const activeDevice = (world: World, id: string, psuId: string, fact: Fact, say: Say): Device | null => {
  const device = world.devices.get(id);
  if (device?.publicKey == null || device.psuId !== psuId) {
    say('R2', `device ${id} is not registered for this PSU`);
    return null;
  }
  if (goesOn(world, device.revoked, fact)) return device;
  say('R2', `device ${id} was revoked before`);
  return null;
};

const SPELT_ANEW = ['e', 'n', 'x', 'y'];

/** The RFC 7638 thumbprint, whichever way the numbers of the key are spelt. */
const thumbprintOf = (key: Record<string, unknown>): string => {
  const { crv, e, kty, n, x, y } = Object.fromEntries(
    Object.entries(key).map(([name, value]) => [
      name,
      SPELT_ANEW.includes(name) && typeof value === 'string' ? Buffer.from(value, 'base64url').toString('base64url') : value,
    ]),
  );
  return hash('sha256', JSON.stringify({ crv, e, kty, n, x, y }), 'base64url');
};
