import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { DESCRIPTION } from '../support/http.ts';
import { algorithmForgeries, edDsaForgeries, es256Forgeries, ps256Forgeries } from './support/algorithm-forgeries.ts';
import { type Bank, openBank } from './support/bank.ts';
import { claimForgeries } from './support/claim-forgeries.ts';
import type { PlacedForgery } from './support/claims.ts';
import { claiming, type Forgeries, honestly } from './support/forging.ts';
import { audienceForgeries, formForgeries, kidForgeries, textForgeries } from './support/form-forgeries.ts';
import { kindForgeries } from './support/kind-forgeries.ts';
import { type Kind, PLACES, type Place } from './support/places.ts';

let bank: Bank;
beforeAll(async () => {
  bank = await openBank();
});
afterAll(() => bank.close());

const OF_KEY: Readonly<Record<Place['alg'], Forgeries>> = { ES256: es256Forgeries, PS256: ps256Forgeries, EdDSA: edDsaForgeries };

/** All that is tried at a place. What does not depend on the key is tried with one type of key. */
const forgeriesFor = (place: Place): PlacedForgery[] => {
  const { alg, kind, inAHeader, hasAudience = true, empty, tolerated = [] } = place;
  const general: Forgeries = {
    ...(alg === 'ES256' && { ...algorithmForgeries, ...formForgeries }),
    ...(alg === 'ES256' && hasAudience && audienceForgeries),
    ...(alg === 'ES256' && kind !== 'registration' && kidForgeries),
    ...(alg === 'ES256' && !inAHeader && textForgeries),
    ...OF_KEY[alg],
  };
  const placed = Object.entries(general)
    .filter(([name]) => !tolerated.includes(name))
    .map(([name, forge]) => ({ name, forge: () => forge, ...(empty && name === 'nothing at all' && { refusal: empty }) }));
  return [...placed, ...claimForgeries(place), ...kindForgeries(place)];
};

const sent = async (place: Place, token: string) => {
  const before = await bank.tested.ports.store.head();
  const response = await place.send(bank, token);
  const text = await response.text();
  const newEvents = (await bank.tested.ports.store.readAll(before, 100)).map(({ type }) => type);
  return { status: response.status, type: response.headers.get('content-type'), text, newEvents };
};
const accepts = async (place: Place, token: string) => expect((await place.send(bank, token)).ok).toBe(true);
const refuses = async (place: Place, token: string, refusals = place.refusals) => {
  const { status, type, text, newEvents } = await sent(place, token);
  const error = place.isPage ? /\((\w+)\)/.exec(text)?.[1] : JSON.parse(text).error;
  const isExpected = refusals.some(([one, code]) => one === status && code === error);
  expect({ isExpected, refusals, status, type, text, newEvents }).toEqual({
    ...{ isExpected: true, refusals, status, text, newEvents: [] },
    type: place.isPage ? 'text/html; charset=utf-8' : 'application/json',
  });
  if (!place.isPage) expect(JSON.parse(text)).toEqual({ error, error_description: expect.stringMatching(DESCRIPTION) });
};

test('there are at least 120 forgeries, each of another name', () => {
  const names = PLACES.flatMap((place) => {
    const here = forgeriesFor(place).map(({ name }) => name);
    expect(new Set(here).size).toBe(here.length);
    return here;
  });
  expect(new Set(names).size).toBeGreaterThanOrEqual(120);
});

describe.each(PLACES)('$name', (place) => {
  const accepted = async () => accepts(place, await honestly(await place.honest(bank)));

  test('is accepted when it is honest', accepted);

  test.each(forgeriesFor(place).map((forgery) => [forgery.name, forgery] as const))('is refused with %s', async (_name, forgery) => {
    const token = await forgery.forge(bank)(await place.honest(bank));
    await refuses(place, token, forgery.refusal && [forgery.refusal]);
  });

  test('is accepted after all of them', accepted);
});

const USED_ONCE: readonly Kind[] = ['assertion', 'request object', 'proof', 'hint token', 'DPoP proof', 'registration request'];

describe('a token that was accepted', () => {
  test.each(PLACES.filter(({ kind }) => USED_ONCE.includes(kind)))('$name is refused again', async (place) => {
    const honest = await place.honest(bank);
    const token = await honestly(honest);
    await accepts(place, token);
    await refuses(place, token);
    await refuses(place, await claiming({ further: true })(honest));
  });

  test('the ID token of a ceremony is a hint', async () =>
    accepts(PLACES.find(({ kind }) => kind === 'ID token') as Place, bank.issued.idToken));
});
