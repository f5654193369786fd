import { type Bank, ownTokenOf } from './bank.ts';
import type { PlacedForgery } from './claims.ts';
import { headed, honestly } from './forging.ts';
import { type Kind, PLACES, type Place } from './places.ts';

const TYPS = [
  'at+jwt',
  'oauth-authz-req+jwt',
  'device-proof+jwt',
  'device-registration+jwt',
  'consent-answer+jwt',
  'dpop+jwt',
  'logout+jwt',
  'secevent+jwt',
  'token-introspection+jwt',
  'JWT',
  'JWE',
  'JOSE+JSON',
  '',
];

/** The right claims by the right key, under the type of another statement. */
const foreignTyps = ({ typs }: Place): PlacedForgery[] => [
  ...TYPS.filter((typ) => !typs.includes(typ)).map((typ) => ({ name: `typ ${JSON.stringify(typ)}`, forge: () => headed({ typ }) })),
  ...[1, ['JWT'], {}, true].map((typ) => ({ name: `typ ${JSON.stringify(typ)}`, forge: () => headed({ typ }) })),
  ...typs.map((typ) => ({ name: `typ ${typ} with a NUL behind it`, forge: () => headed({ typ: `${typ}\u0000` }) })),
];

const honestOf = (kind: Kind) => async (bank: Bank) => {
  const place = PLACES.find((one) => one.kind === kind && one.alg === 'ES256') as Place;
  return honestly(await place.honest(bank));
};

const KINDS: Readonly<Record<string, (bank: Bank) => string | Promise<string>>> = {
  assertion: honestOf('assertion'),
  'request object': honestOf('request object'),
  'ID token': ({ issued }) => issued.idToken,
  proof: honestOf('proof'),
  registration: honestOf('registration'),
  answer: honestOf('answer'),
  'authorization request': honestOf('authorization request'),
  'hint token': honestOf('hint token'),
  'DPoP proof': honestOf('DPoP proof'),
  statement: honestOf('statement'),
  'registration request': honestOf('registration request'),
  'access token': ({ issued }) => issued.accessToken,
  'access token of the client itself': ownTokenOf,
};

const ROLES: readonly (readonly [made: Kind, taken: Kind])[] = [
  ['request object', 'assertion'],
  ['proof', 'answer'],
  ['answer', 'proof'],
  ['registration', 'proof'],
  ['authorization request', 'assertion'],
  ['authorization request', 'hint token'],
  ['DPoP proof', 'assertion'],
];

/** The honest statement of one kind, that also says all that the other kind must say. */
const both = ([made, taken]: (typeof ROLES)[number], place: Place): PlacedForgery[] =>
  taken !== place.kind
    ? []
    : [
        {
          name: `the ${made} of its signer that says all that the ${taken} must say`,
          forge: (bank) => async (honest) => {
            const other = PLACES.find((one) => one.kind === made && one.alg === 'ES256') as Place;
            const { header, claims } = await other.honest(bank);
            const { alg, kid } = honest.header;
            return honestly({ header: { ...header, alg, kid }, claims: { ...claims, ...honest.claims }, key: honest.key });
          },
        },
      ];

/** Tokens of one kind in the place of another. */
export const kindForgeries = (place: Place): readonly PlacedForgery[] =>
  place.alg !== 'ES256'
    ? []
    : [
        ...foreignTyps(place),
        ...Object.entries(KINDS)
          .filter(([kind]) => kind !== place.kind)
          .map(([kind, make]) => ({ name: `an honest ${kind}`, forge: (bank: Bank) => async () => make(bank) })),
        ...ROLES.flatMap((role) => both(role, place)),
      ];
