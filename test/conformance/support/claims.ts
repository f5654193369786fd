import type { TestKey } from '../../support/jws.ts';
import type { Bank } from './bank.ts';
import { by, claiming, claimsText, type Forge, type Forgeries, headed, jws } from './forging.ts';
import type { Refusal } from './places.ts';

/** A forgery that needs to know the bank, and is answered otherwise than the place does where it says so. */
export interface PlacedForgery {
  name: string;
  forge(bank: Bank): Forge;
  refusal?: Refusal;
}

export const UNKNOWN_USER: Refusal = [400, 'unknown_user_id'];
export const DAY = 86_400;

/** Claims in place of the right ones, signed by the right key. */
export const claims = (name: string, change: (bank: Bank) => object, refusal?: Refusal): PlacedForgery => ({
  name,
  forge: (bank) => claiming(change(bank)),
  ...(refusal && { refusal }),
});
export const header = (name: string, change: (bank: Bank) => object, refusal?: Refusal): PlacedForgery => ({
  name,
  forge: (bank) => headed(change(bank)),
  ...(refusal && { refusal }),
});
export const plain = (forgeries: Forgeries): PlacedForgery[] =>
  Object.entries(forgeries).map(([name, forge]) => ({ name, forge: () => forge }));

/** Values that are no moment, or none that can be meant. */
export const moments = (claim: string): PlacedForgery[] => {
  const literal = (text: string): Forge =>
    claimsText((json, honest) => json.replace(`"${claim}":${honest.claims[claim]}`, `"${claim}":${text}`));
  return [
    ...plain({
      [`no ${claim}`]: claiming({ [claim]: undefined }),
      [`${claim} null`]: claiming({ [claim]: null }),
      [`${claim} true`]: claiming({ [claim]: true }),
      [`${claim} a list`]: claiming(({ claims: right }) => ({ [claim]: [right[claim]] })),
      [`${claim} an object`]: claiming(({ claims: right }) => ({ [claim]: { valueOf: right[claim] } })),
      [`${claim} a text`]: claiming(({ claims: right }) => ({ [claim]: String(right[claim]) })),
      [`${claim} the text NaN`]: claiming({ [claim]: 'NaN' }),
      [`${claim} a date`]: claiming({ [claim]: '2999-01-01T00:00:00Z' }),
      [`${claim} in milliseconds`]: claiming(({ claims: right }) => ({ [claim]: Number(right[claim]) * 1000 })),
      [`${claim} huge`]: claiming({ [claim]: 1e300 }),
      [`${claim} the largest safe integer`]: claiming({ [claim]: Number.MAX_SAFE_INTEGER }),
      [`${claim} 0`]: claiming({ [claim]: 0 }),
      [`${claim} negative`]: claiming({ [claim]: -1 }),
      [`${claim} hugely negative`]: claiming({ [claim]: -1e300 }),
      [`${claim} the literal NaN`]: literal('NaN'),
      [`${claim} the literal Infinity`]: literal('Infinity'),
      [`${claim} beyond all numbers`]: literal('1e400'),
      [`${claim} in hex`]: literal('0xffffffff'),
      [`${claim} with a leading zero`]: literal('09999999999'),
    }),
  ];
};

/** Values that are no name of the one who should be named. */
export const names = (claim: string): PlacedForgery[] =>
  plain({
    [`no ${claim}`]: claiming({ [claim]: undefined }),
    [`${claim} null`]: claiming({ [claim]: null }),
    [`${claim} empty`]: claiming({ [claim]: '' }),
    [`${claim} a number`]: claiming({ [claim]: 1 }),
    [`${claim} a list`]: claiming(({ claims: right }) => ({ [claim]: [right[claim]] })),
    [`${claim} an object`]: claiming({ [claim]: { $ne: null } }),
    [`${claim} unknown`]: claiming({ [claim]: 'nobody' }),
    [`${claim} with a space behind it`]: claiming(({ claims: right }) => ({ [claim]: `${right[claim]} ` })),
    [`${claim} with a NUL behind it`]: claiming(({ claims: right }) => ({ [claim]: `${right[claim]}\u0000` })),
    [`${claim} in upper case`]: claiming(({ claims: right }) => ({ [claim]: String(right[claim]).toUpperCase() })),
    [`${claim} SQL`]: claiming({ [claim]: "' or '1'='1" }),
    [`${claim} __proto__`]: claiming({ [claim]: '__proto__' }),
  });

export const jtis: PlacedForgery[] = plain({
  'no jti': claiming({ jti: undefined }),
  'jti null': claiming({ jti: null }),
  'jti empty': claiming({ jti: '' }),
  'jti a number': claiming({ jti: 1 }),
  'jti a list': claiming({ jti: ['a'] }),
  'jti an object': claiming({ jti: {} }),
  'jti of 257 letters': claiming({ jti: 'x'.repeat(257) }),
});

export const futures: PlacedForgery[] = [
  claims('nbf in the future', ({ time }) => ({ nbf: time.clock() + 61 })),
  claims('iat in the future', ({ time }) => ({ iat: time.clock() + 61 })),
];

/** By the key of somebody else, whom the bank knows. */
export const signedBy = (name: string, key: (bank: Bank) => TestKey): PlacedForgery => ({
  name,
  forge: (bank) => (honest) => jws(honest.header, honest.claims, by(key(bank))),
});
