import { describe, expect, test } from '@jest/globals';
import { authentication, fail, signedIn, succeed } from '../../src/domain/authentication/decider.ts';
import type { AuthenticationFact } from '../../src/domain/authentication/events.ts';
import { given, stateOf } from '../support/given.ts';

type Named<T extends AuthenticationFact['type']> = Extract<AuthenticationFact, { type: T }>;

const attempt = { flow: 'ciba', step: 'basic', requestId: null, psuChannel: 'Online Banking', deviceId: null, at: 1000 } as const;
const succeeded: Named<'AuthenticationSucceeded'> = { type: 'AuthenticationSucceeded', data: { ...attempt, psuId: 'alice' } };
const failed: Named<'AuthenticationFailed'> = {
  type: 'AuthenticationFailed',
  data: { ...attempt, psuId: null, reason: 'wrong_credentials' },
};

describe('an attempt to sign in', () => {
  test('succeeds', () => given(authentication).when(succeed(succeeded.data)).then(succeeded));
  test('fails', () => given(authentication).when(fail(failed.data)).then(failed));
  test('ends once', () => {
    for (const ended of [succeeded, failed]) {
      given(authentication, ended).when(succeed(succeeded.data)).then();
      given(authentication, ended).when(fail(failed.data)).then();
    }
  });
});

describe('who is signed in to answer', () => {
  const whoAt = (at: number, ...past: AuthenticationFact[]) => signedIn(stateOf(authentication, ...past), at, 600);

  test('is who has proved it, for as long as that is good', () => {
    expect([whoAt(1000, succeeded), whoAt(1599, succeeded), whoAt(1600, succeeded)]).toEqual(['alice', 'alice', null]);
  });
  test('is nobody who has failed, has not tried, has signed in for a request of the redirect flow, or by a phone', () => {
    const forRequest: AuthenticationFact = { ...succeeded, data: { ...succeeded.data, flow: 'code', requestId: 'request-1' } };
    const byPhone: AuthenticationFact = { ...succeeded, data: { ...succeeded.data, step: 'push', deviceId: 'phone' } };
    expect([failed, forRequest, byPhone].map((fact) => whoAt(1000, fact))).toEqual([null, null, null]);
    expect(whoAt(1000)).toBeNull();
  });
});
