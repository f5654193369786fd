import { describe, expect, test } from '@jest/globals';
import {
  activate,
  dueStep,
  type KeyPolicy,
  publish,
  remove,
  replaceAtOnce,
  signingKey,
  verifiesHints,
} from '../../src/domain/signing-key/decider.ts';
import type { PublicSigningJwk, SigningKeyFact } from '../../src/domain/signing-key/events.ts';
import { given, stateOf } from '../support/given.ts';

const DAY = 86_400;
const policy: KeyPolicy = { rotationSeconds: 90 * DAY, leadSeconds: DAY, tokenSeconds: 3600 };
const jwk: PublicSigningJwk = { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' };
const key = (kid: string) => ({ kid, jwk });
const published = (kid: string, at: number, usableFrom = at): SigningKeyFact => ({
  type: 'SigningKeyPublished',
  data: { ...key(kid), at, usableFrom },
});
const activated = (kid: string, at: number, tokenSeconds = 3600): SigningKeyFact => ({
  type: 'SigningKeyActivated',
  data: { kid, at, tokenSeconds },
});
const retired = (kid: string, at: number, publishedUntil: number): SigningKeyFact => ({
  type: 'SigningKeyRetired',
  data: { kid, at, publishedUntil },
});
const removed = (kid: string, at: number): SigningKeyFact => ({ type: 'SigningKeyRemoved', data: { kid, at } });

const first = [published('a', 1000), activated('a', 1000)];
const OLD = 1000 + 89 * DAY;
const waiting = [...first, published('b', OLD, OLD + DAY)];
const turned = [...waiting, activated('b', OLD + DAY), retired('a', OLD + DAY, OLD + DAY + 3660)];

describe('the signing keys of an algorithm', () => {
  test('begin with one that is used at once', () => {
    expect(dueStep([], 1000, policy)).toBe('publish');
    given(signingKey)
      .when(publish(key('a'), { at: 1000, policy }))
      .then(...first);
  });

  test('get another so long before the first is too old that everybody can see it', () => {
    expect(dueStep(stateOf(signingKey, ...first), OLD - 1, policy)).toBeNull();
    expect(dueStep(stateOf(signingKey, ...first), OLD, policy)).toBe('publish');
    given(signingKey, ...first)
      .when(publish(key('b'), { at: OLD, policy }))
      .then(published('b', OLD, OLD + DAY));
    given(signingKey, ...first)
      .when(publish(key('b'), { at: OLD - 1, policy }))
      .then();
  });

  test('get another early when somebody asks for it, and one at a time', () => {
    given(signingKey, ...first)
      .when(publish(key('b'), { at: 2000, policy, early: true }))
      .then(published('b', 2000, 2000 + DAY));
    given(signingKey, ...waiting)
      .when(publish(key('c'), { at: OLD, policy, early: true }))
      .then();
    given(signingKey, ...first)
      .when(publish(key('a'), { at: OLD, policy }))
      .then();
  });

  test('change when the lead is over, and not before', () => {
    expect(dueStep(stateOf(signingKey, ...waiting), OLD + DAY - 1, policy)).toBeNull();
    expect(dueStep(stateOf(signingKey, ...waiting), OLD + DAY, policy)).toBe('activate');
    given(signingKey, ...waiting)
      .when(activate({ at: OLD + DAY - 1, policy }))
      .then();
    given(signingKey, ...waiting)
      .when(activate({ at: OLD + DAY, policy }))
      .then(...turned.slice(3));
    given(signingKey, ...turned)
      .when(activate({ at: OLD + DAY, policy }))
      .then();
  });

  test('stay published for the longest life that their tokens had under any settings', () => {
    given(signingKey, published('a', 1000), activated('a', 1000, 7200), published('b', 2000, 2000))
      .when(activate({ at: 2000, policy }))
      .then(activated('b', 2000), retired('a', 2000, 2000 + 7260));
  });

  test('are removed when nothing is good any more that was signed with them, once', () => {
    const over = OLD + DAY + 3661;
    expect(dueStep(stateOf(signingKey, ...turned), over - 1, policy)).toBeNull();
    expect(dueStep(stateOf(signingKey, ...turned), over, policy)).toBe('remove');
    given(signingKey, ...turned)
      .when(remove(over - 1))
      .then();
    given(signingKey, ...turned)
      .when(remove(over))
      .then(removed('a', over));
    given(signingKey, ...turned, removed('a', over))
      .when(remove(over))
      .then();
  });

  test('are replaced at once when one was lost: those that wait, too', () => {
    given(signingKey, ...waiting)
      .when(replaceAtOnce(key('c'), { at: OLD, policy }))
      .then(retired('b', OLD, OLD), published('c', OLD), activated('c', OLD), retired('a', OLD, OLD + 3660));
    given(signingKey)
      .when(replaceAtOnce(key('a'), { at: 1000, policy }))
      .then(...first);
    given(signingKey, ...first)
      .when(replaceAtOnce(key('a'), { at: 1000, policy }))
      .then();
  });

  test('are believed no more when one was stolen', () => {
    const [a] = stateOf(signingKey, ...first, published('c', OLD), activated('c', OLD), retired('a', OLD, OLD));
    expect(a && verifiesHints(a, OLD)).toBe(false);
    given(signingKey, ...first)
      .when(replaceAtOnce(key('c'), { at: OLD, policy, stolen: true }))
      .then(published('c', OLD), activated('c', OLD), retired('a', OLD, OLD));
  });

  test('verify ID tokens as hints for 90 days after their last signature', () => {
    const [a, b] = stateOf(signingKey, ...turned, removed('a', OLD + 2 * DAY));
    expect([OLD + 91 * DAY, OLD + 91 * DAY + 61].map((at) => a && verifiesHints(a, at))).toEqual([true, false]);
    expect(b && verifiesHints(b, OLD + 1000 * DAY)).toBe(true);
  });
});
