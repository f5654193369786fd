import { describe, expect, test } from '@jest/globals';
import {
  activeDevice,
  device,
  type OfferedDevice,
  offer,
  pushTokenDied,
  type RegisteredDevice,
  type Registration,
  register,
  rename,
  replacePushToken,
  revoke,
} from '../../src/domain/device/decider.ts';
import { describedAs, pushTokenOf } from '../../src/domain/device/described.ts';
import { type DeviceFact, devicePublicKey } from '../../src/domain/device/events.ts';
import type { Sealed } from '../../src/domain/ports/sealer.ts';
import { expectRefusal, given, personalPart, stateOf } from '../support/given.ts';

type Fact<T extends DeviceFact['type']> = Extract<DeviceFact, { type: T }>;

const publicKey = { kty: 'EC' as const, crv: 'P-256' as const, x: 'x'.repeat(43), y: 'y'.repeat(43) };
const offered: Fact<'DeviceEnrolmentOffered'> = {
  type: 'DeviceEnrolmentOffered',
  data: { psuId: 'alice', challengeHash: 'challenge', at: 1000, expiresAt: 1300 },
  personal: null,
};
const registered: Fact<'DeviceRegistered'> = {
  type: 'DeviceRegistered',
  data: { psuId: 'alice', publicKey, keyThumbprint: 'key', dialect: 'countersign', hasPushToken: true, at: 1010 },
  personal: { name: 'My phone', model: 'Model 1', pushToken: 'token-1' },
};
const replaced: Fact<'DevicePushTokenReplaced'> = {
  type: 'DevicePushTokenReplaced',
  data: { psuId: 'alice', at: 1020 },
  personal: { pushToken: 'token-2' },
};
const died = (tokenRevision: number): Fact<'DevicePushTokenDied'> => ({
  type: 'DevicePushTokenDied',
  data: { psuId: 'alice', tokenRevision, at: 1030 },
});
const revoked: Fact<'DeviceRevoked'> = { type: 'DeviceRevoked', data: { psuId: 'alice', by: 'psu', at: 1040 } };

// What `given` sealed is as it was.
const asSealed = { seal: () => '', open: ({ text }: Sealed) => text };

const registration: Registration = {
  challengeHash: 'challenge',
  publicKey,
  keyThumbprint: 'key',
  dialect: 'countersign' as const,
  name: 'My phone',
  model: 'Model 1',
  pushToken: 'token-1',
  at: 1010,
};
const tokenInUse = (state: RegisteredDevice) => pushTokenOf(state, asSealed);
const registers = (by: Partial<Registration> = {}) => register({ ...registration, ...by }, tokenInUse);

describe('a device is offered an enrolment', () => {
  test('by its PSU', () => given(device).when(offer(offered.data)).then(offered));
  test('with a challenge that the device signs and does not send', () => {
    const kept = { ...offered, personal: { challenge: 'signed, not sent' } };
    given(device).when(offer(offered.data, 'signed, not sent')).then(kept);
    expect(personalPart((stateOf(device, kept) as OfferedDevice).challenge as Sealed)).toEqual(kept.personal);
  });
  test('once', () => {
    for (const past of [[offered], [offered, registered], [offered, registered, revoked]])
      given(device, ...past)
        .when(offer(offered.data))
        .then();
  });
});

describe('a device is registered', () => {
  const withAnotherKey = registers({ keyThumbprint: 'key-2' });

  test('with its key', () => given(device, offered).when(registers()).then(registered));
  test('without a push token', () => {
    const silent = {
      ...registered,
      data: { ...registered.data, hasPushToken: false },
      personal: { ...registered.personal, pushToken: null },
    };
    given(device, offered)
      .when(registers({ pushToken: null }))
      .then(silent);
  });
  test('up to the last second of the offer', () => {
    const last = { ...registered, data: { ...registered.data, at: 1299 } };
    given(device, offered)
      .when(registers({ at: 1299 }))
      .then(last);
  });
  test('not later', () =>
    given(device, offered)
      .when(registers({ at: 1300 }))
      .refuses('gone'));
  test('not without an offer', () => given(device).when(registers()).refuses('not_found'));
  test('not with another challenge', () =>
    given(device, offered)
      .when(registers({ challengeHash: 'other' }))
      .refuses('not_found'));
  test('the same key twice is once', () =>
    given(device, offered, registered)
      .when(registers({ at: 1011 }))
      .then());
  test('the same key with another push token has that from then on, while the offer is good', () => {
    const again = registers({ pushToken: 'token-2', at: 1020 });
    given(device, offered, registered).when(again).then(replaced);
    given(device, offered, registered, replaced).when(again).then();
    given(device, offered, registered)
      .when(registers({ pushToken: null }))
      .then();
    given(device, offered, registered)
      .when(registers({ pushToken: 'token-2', at: 1300 }))
      .refuses('gone');
    given(device, offered, registered)
      .when(registers({ pushToken: 'token-2', challengeHash: 'other' }))
      .refuses('not_found');
  });
  test('in one dialect', () =>
    given(device, offered, registered)
      .when(registers({ dialect: 'push' }))
      .refuses('not_found'));
  test('no second key by the same offer', () => given(device, offered, registered).when(withAnotherKey).refuses('not_found'));
  test('not again once it was revoked, with whatever key', () => {
    given(device, offered, registered, revoked).when(registers()).refuses('not_found');
    given(device, offered, registered, revoked).when(withAnotherKey).refuses('not_found');
  });
});

describe('a phone of the reference', () => {
  const rsa = { kty: 'RSA' as const, n: 'n'.repeat(342), e: 'AQAB' };

  test('is registered with an RSA key and its dialect', () =>
    given(device, offered)
      .when(registers({ publicKey: rsa, dialect: 'push-auth' }))
      .then({ ...registered, data: { ...registered.data, publicKey: rsa, dialect: 'push-auth' } }));
});

describe('a device is renamed', () => {
  const renamed: Fact<'DeviceRenamed'> = { type: 'DeviceRenamed', data: { psuId: 'alice', at: 1020 }, personal: { name: 'Other' } };

  test('by its PSU', () =>
    given(device, offered, registered)
      .when(rename('Other', 'alice', 1020))
      .then(renamed));
  test('and has that name, with its model and its token', () =>
    expect(describedAs(activeDevice(stateOf(device, offered, registered, renamed)), asSealed)).toEqual({
      name: 'Other',
      model: 'Model 1',
    }));
  test('not by another PSU, nor once it is revoked', () => {
    given(device, offered, registered)
      .when(rename('Other', 'bob', 1020))
      .refuses('not_found');
    given(device, offered, registered, revoked)
      .when(rename('Other', 'alice', 1050))
      .refuses('not_found');
    given(device, offered)
      .when(rename('Other', 'alice', 1020))
      .refuses('not_found');
  });
});

describe('a public device key', () => {
  const okp = { kty: 'OKP', crv: 'Ed25519', x: 'x'.repeat(43) };
  const { y: _, ...half } = publicKey;

  test.each([[publicKey], [okp]])('may be %j', (key) => expect(devicePublicKey.safeParse(key).success).toBe(true));
  test.each([
    ['private', { ...publicKey, d: 'd'.repeat(43) }],
    ['private (Ed25519)', { ...okp, d: 'd'.repeat(43) }],
    ['of another curve', { ...publicKey, crv: 'P-384' }],
    ['of another kind', { kty: 'RSA', n: 'n', e: 'AQAB' }],
    ['a secret', { kty: 'oct', k: 'k' }],
    ['without a coordinate', half],
    ['of a wrong length', { ...publicKey, x: 'x'.repeat(44) }],
    ['with members of no meaning', { ...publicKey, x5c: [] }],
  ])('cannot be %s', (_reason, key) => expect(devicePublicKey.safeParse(key).success).toBe(false));
});

describe('a push token', () => {
  const active = [offered, registered];

  test('is replaced', () =>
    given(device, ...active)
      .when(replacePushToken('token-2', 1020))
      .then(replaced));
  test('is not replaced on a device that is not registered', () => {
    given(device).when(replacePushToken('token-2', 1020)).refuses('invalid_token');
    given(device, offered).when(replacePushToken('token-2', 1020)).refuses('invalid_token');
  });
  test('is not replaced on a revoked device', () =>
    given(device, ...active, revoked)
      .when(replacePushToken('token-2', 1020))
      .refuses('access_denied'));

  test('dies', () =>
    given(device, ...active)
      .when(pushTokenDied(1, 1030))
      .then(died(1)));
  test('dies once', () =>
    given(device, ...active, died(1))
      .when(pushTokenDied(1, 1031))
      .then());
  test('does not die when it was replaced meanwhile', () =>
    given(device, ...active, replaced)
      .when(pushTokenDied(1, 1030))
      .then());
  test('dies after it was replaced', () =>
    given(device, ...active, died(1), replaced)
      .when(pushTokenDied(3, 1030))
      .then(died(3)));
  test('of a device that is not active says nothing', () => {
    for (const past of [[], [offered], [...active, revoked]])
      given(device, ...past)
        .when(pushTokenDied(1, 1030))
        .then();
  });
});

describe('a device is revoked', () => {
  const revokes = (psuId = 'alice') => revoke('psu', psuId, 1040);

  test('by its PSU', () => given(device, offered, registered).when(revokes()).then(revoked));
  test('once', () => given(device, offered, registered, revoked).when(revokes()).then());
  test('not by another PSU, to whom it does not exist', () => {
    given(device, offered, registered).when(revokes('bob')).refuses('not_found');
    given(device, offered, registered, revoked).when(revokes('bob')).refuses('not_found');
  });
  test('not before it was registered', () => {
    given(device).when(revokes()).refuses('not_found');
    given(device, offered).when(revokes()).refuses('not_found');
  });
});

describe('a device may act', () => {
  const acting =
    (...past: DeviceFact[]) =>
    () =>
      activeDevice(stateOf(device, ...past));

  test('once it is registered', () => {
    const state = acting(offered, registered, replaced)();
    expect(state).toMatchObject({
      status: 'active',
      psuId: 'alice',
      publicKey,
      keyThumbprint: 'key',
      registeredAt: 1010,
      token: expect.objectContaining({ type: 'DevicePushTokenReplaced', revision: 2 }),
    });
    expect(personalPart(state.sealed)).toEqual(registered.personal);
  });
  test('also with a dead push token', () => expect(acting(offered, registered, died(1))).not.toThrow());
  test('not before', () => {
    for (const past of [[], [offered]]) expectRefusal(acting(...past), 'invalid_token');
  });
  test('not after it was revoked', () => expectRefusal(acting(offered, registered, revoked), 'access_denied'));
});
