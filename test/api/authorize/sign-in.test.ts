import { expect, test } from '@jest/globals';
import { systemIds } from '../../../src/adapters/clock.ts';
import { localLimits } from '../../../src/adapters/limits/local.ts';
import { makeSignIn } from '../../../src/api/authorize/sign-in.ts';
import { OAuthError } from '../../../src/domain/oauth-error.ts';
import { standingClock } from '../../support/clock.ts';
import { people } from '../../support/engine.ts';

const alice = { psuId: 'psu-alice' };

test('the wrong tries of anybody for one user name keep nobody else out', async () => {
  const { clock, pass } = standingClock();
  const signIn = makeSignIn({ directory: people, limits: localLimits(':memory:', { clock }), ids: systemIds });
  for (let n = 0; n < 3000; n += 1) expect(await signIn(`somebody-${n}`, 'wrong')).toBe('wrong');
  expect(await signIn('alice', 'alice')).toEqual(alice);
  for (let n = 0; n < 5; n += 1) expect(await signIn('alice', 'wrong')).toBe('wrong');
  expect(await signIn('alice', 'alice')).toBe('not looked at');
  pass(900);
  expect(await signIn('alice', 'alice')).toEqual(alice);
});

test('a right password is not called wrong where nobody has looked at it', async () => {
  const waiting: (() => void)[] = [];
  const authenticate = async (username: string, password: string) => {
    await new Promise<void>((resolve) => waiting.push(resolve));
    return people.authenticate(username, password);
  };
  const signIn = makeSignIn({ directory: { ...people, authenticate }, limits: localLimits(':memory:', standingClock()), ids: systemIds });
  const underWay = Array.from({ length: 16 }, (_, n) => signIn(`somebody-${n}`, 'wrong'));
  for (let n = 0; n < 6; n += 1) expect(await signIn('alice', 'alice')).toBe('not looked at');
  for (const go of waiting) go();
  expect(new Set(await Promise.all(underWay))).toEqual(new Set(['wrong']));
  const later = signIn('alice', 'alice');
  while (waiting.length < 17) await new Promise((resolve) => setImmediate(resolve));
  waiting.at(-1)?.();
  expect(await later).toEqual(alice);
});

test('a directory that cannot be asked counts as no wrong try', async () => {
  let down = true;
  const authenticate = (username: string, password: string) =>
    down ? Promise.reject(new OAuthError('temporarily_unavailable', 'down')) : people.authenticate(username, password);
  const signIn = makeSignIn({ directory: { ...people, authenticate }, limits: localLimits(':memory:', standingClock()), ids: systemIds });
  for (let n = 0; n < 6; n += 1) await expect(signIn('alice', 'alice')).rejects.toThrow('down');
  down = false;
  expect(await signIn('alice', 'alice')).toEqual(alice);
});
