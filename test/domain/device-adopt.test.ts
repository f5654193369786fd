import { describe, test } from '@jest/globals';
import { adopt } from '../../src/domain/device/adopt.ts';
import { device, revoke } from '../../src/domain/device/decider.ts';
import type { DeviceFact } from '../../src/domain/device/events.ts';
import { given } from '../support/given.ts';

const known = {
  psuId: 'alice',
  publicKey: { kty: 'RSA', n: 'x'.repeat(342), e: 'AQAB' },
  keyThumbprint: 'thumbprint',
  dialect: 'push-auth',
  at: 1000,
} as const;
const described = { name: 'Phone', model: 'One', pushToken: 'token' };
const adopting = (change: object = {}) => adopt({ ...known, ...described, ...change });
const registered: DeviceFact = { type: 'DeviceRegistered', data: { ...known, hasPushToken: true }, personal: described };
const revoked: DeviceFact = { type: 'DeviceRevoked', data: { psuId: 'alice', by: 'psu', at: 1001 } };

describe('a device of another system', () => {
  test('goes on here, and again is once', () => {
    given(device).when(adopting()).then(registered);
    given(device, registered).when(adopting()).then();
  });
  test('does not come back that was revoked here', () => {
    given(device, registered)
      .when(revoke('psu', 'alice', 1001))
      .then(revoked);
    given(device, registered, revoked).when(adopting()).then();
  });
  test('takes no other device’s place', () => {
    for (const change of [{ psuId: 'bob' }, { keyThumbprint: 'another' }])
      given(device, registered).when(adopting(change)).refuses('conflict');
    const offered: DeviceFact = {
      type: 'DeviceEnrolmentOffered',
      data: { psuId: 'alice', challengeHash: 'hash', at: 1, expiresAt: 2000 },
      personal: null,
    };
    given(device, offered).when(adopting()).refuses('conflict');
  });
});
