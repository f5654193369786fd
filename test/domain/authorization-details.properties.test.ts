import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { describe as describeEntry, isWithin, keptOf } from '../../src/domain/authorization-details/approval.ts';
import type { AuthorizationDetail } from '../../src/domain/authorization-details/detail-type.ts';
import { authorizationDetailsOf } from '../../src/domain/authorization-details/parameter.ts';
import { detailTypes } from '../../src/domain/authorization-details/registered.ts';
import { OAuthError } from '../../src/domain/oauth-error.ts';

type Details = readonly AuthorizationDetail[];
const read = (value: unknown): Details => authorizationDetailsOf(value, detailTypes);
const within = (approved: readonly unknown[], asked: Details) => isWithin(approved, asked, detailTypes);

/** Whether the specification's error is the answer; every other error is thrown on. */
const isRefused = (value: unknown): boolean => {
  try {
    return read(value).length === 0;
  } catch (error) {
    if (error instanceof OAuthError && error.error === 'invalid_authorization_details') return true;
    throw error;
  }
};

// Few values each, so that entries are often alike.
const someOf = <Item>(...items: Item[]) => fc.shuffledSubarray(items, { minLength: 1 });
const iban = fc.constantFrom('DE02100100109307118603', 'GB82WEST12345698765432');
const REFERENCES: readonly object[] = [{ iban: 'DE02100100109307118603' }, { iban: 'GB82WEST12345698765432' }, { accountId: 'a-1' }];

const entryOf = (
  type: string,
  needed: Record<string, fc.Arbitrary<unknown>>,
  optional: Record<string, fc.Arbitrary<unknown>>,
): fc.Arbitrary<AuthorizationDetail> =>
  fc
    .record({ ...needed, ...optional }, { requiredKeys: Object.keys(needed), noNullPrototype: true })
    .map((members) => ({ type, ...members })) as fc.Arbitrary<AuthorizationDetail>;
const object = (members: Record<string, fc.Arbitrary<unknown>>) => fc.record(members, { noNullPrototype: true });

const anyAccounts = entryOf(
  'account_information',
  { actions: someOf('list_accounts', 'read_balances', 'read_transactions') },
  {
    accounts: someOf(...REFERENCES),
    recurringIndicator: fc.boolean(),
    validUntil: fc.constantFrom('2026-12-31', '2027-12-31'),
    locations: someOf('https://a.example', 'https://b.example'),
  },
);
const anyPayment = entryOf(
  'payment_initiation',
  {
    instructedAmount: object({ currency: fc.constantFrom('EUR', 'GBP'), amount: fc.constantFrom('1', '1.00', '2') }),
    creditorName: fc.constantFrom('A', 'B'),
    creditorAccount: object({ iban }),
  },
  {
    actions: someOf('initiate', 'status'),
    debtorAccount: object({ iban }),
    remittanceInformationUnstructured: fc.constantFrom('ref 1', 'ref 2'),
  },
);
const anyCard = entryOf(
  '3ds:payment_authorisation',
  {
    instructed_amount: object({ currency: fc.constantFrom('EUR', 'AUD'), amount: fc.constantFrom(1, 2.5) }),
    source_account: fc.constantFrom('4111111111111111', '5555555555554444'),
    beneficiary_name: fc.constantFrom('A', 'B'),
    payment_desc: fc.constantFrom('x', 'y'),
  },
  {},
);
const anyEntry = fc.oneof(anyAccounts, anyPayment, anyCard);
const anyDetails = fc.array(anyEntry, { minLength: 1, maxLength: 5 });
const smallDetails = fc.array(entryOf('account_information', { actions: someOf('list_accounts', 'read_balances') }, {}), {
  minLength: 1,
  maxLength: 3,
});

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** Some of the entries, in another order, each with some of what may be fewer. */
const narrowed = (asked: Details): fc.Arbitrary<AuthorizationDetail[]> =>
  fc.shuffledSubarray([...asked], { minLength: 1 }).chain((entries) => fc.tuple(...entries.map(narrowedEntry)));

const narrowedEntry = (entry: AuthorizationDetail): fc.Arbitrary<AuthorizationDetail> => {
  const lists = { ...(entry.type === 'account_information' && { accounts: REFERENCES }), ...entry };
  const fewer = Object.entries(lists)
    .filter(([name]) => name === 'actions' || name === 'accounts')
    .map(([name, items]) => someOf(...listOf(items)).map((kept) => ({ [name]: kept })));
  // Where all accounts were asked for, it may stay so.
  const all = fc.constant({});
  return fc
    .tuple(...fewer.map((part) => ('accounts' in entry ? part : fc.oneof(part, all))))
    .map((parts) => Object.assign({}, entry, ...parts) as AuthorizationDetail);
};

/** For each member, well-formed values that are more than any entry above has, or other ones. */
const OTHERS: Readonly<Record<string, (value: unknown) => readonly unknown[]>> = {
  type: () => ['account_information_2'],
  actions: (value) => [[...listOf(value), 'read_account_details'], ['read_account_details'], [...listOf(value), 'cancel'], ['cancel']],
  accounts: (value) => [[...listOf(value), { accountId: 'a-2' }], [{ iban: 'NO9386011117947' }]],
  locations: (value) => [[...listOf(value), 'https://c.example'], ['https://c.example']],
  recurringIndicator: (value) => [value !== true],
  validUntil: () => ['2099-12-31'],
  instructedAmount: (value) => [
    { ...(value as object), amount: '100' },
    { ...(value as object), currency: 'USD' },
  ],
  creditorName: () => ['C'],
  creditorAccount: (value) => [{ iban: 'NO9386011117947' }, { ...(value as object), bic: 'ABCIDEFF' }],
  debtorAccount: () => [{ iban: 'NO9386011117947' }],
  remittanceInformationUnstructured: () => ['ref 3'],
  instructed_amount: (value) => [
    { ...(value as object), amount: 100 },
    { ...(value as object), currency: 'USD' },
  ],
  source_account: () => ['378282246310005'],
  beneficiary_name: () => ['C'],
  payment_desc: () => ['z'],
};
const ABSENT = Symbol('absent');

/** The same entry but for one member, which is more, other, absent or malformed: never less. */
const widened = (entry: AuthorizationDetail): fc.Arbitrary<AuthorizationDetail> =>
  fc.constantFrom(...Object.keys(entry), 'privileges').chain((name) =>
    fc
      .constantFrom<unknown>(...(OTHERS[name]?.(entry[name]) ?? []), ...(name in entry ? [ABSENT] : []), null, 0, '', {}, [], [null])
      .map((value) => {
        const { [name]: _, ...rest } = entry;
        return (value === ABSENT ? rest : { ...rest, [name]: value }) as AuthorizationDetail;
      }),
  );

/** Asked for, and approved with one entry that is wider. */
const withOneWidened = anyDetails.chain((asked) =>
  fc
    .nat(asked.length - 1)
    .chain((at) => widened(asked[at] as AuthorizationDetail).map((wider) => ({ asked, wider, at, approved: asked.with(at, wider) }))),
);

/** What stays the same whatever the order of entries, actions and accounts. */
const contentOf = (details: Details): readonly string[] =>
  details
    .map((entry) => {
      const members = Object.entries(entry).map(([name, value]) => {
        const items =
          name === 'actions' || name === 'accounts' ? listOf(value).map((item) => JSON.stringify(item)) : [JSON.stringify(value)];
        return `${name}=${items.sort().join()}`;
      });
      return members.sort().join(';');
    })
    .sort();

const holds = <Value>(values: fc.Arbitrary<Value>, predicate: (value: Value) => boolean) =>
  fc.assert(fc.property(values, predicate), { numRuns: 1000 });

describe('what is asked for', () => {
  test('reads the same from a form and a request object', () =>
    holds(anyDetails, (asked) => {
      expect(read(asked)).toStrictEqual(asked);
      expect(read(JSON.stringify(asked))).toStrictEqual(asked);
      return true;
    }));

  test('is read, or refused as the specification says, whatever it is', () => {
    const damaged = fc.array(fc.tuple(anyEntry, fc.object()).map(([entry, more]) => ({ ...entry, ...more })));
    holds(fc.oneof(fc.jsonValue(), fc.json(), fc.anything(), damaged), (value) => typeof isRefused(value) === 'boolean');
  });

  test('reads otherwise to the PSU when one member is another', () =>
    holds(withOneWidened, ({ asked, wider, at }) => {
      const lines = (entry: AuthorizationDetail) => describeEntry(entry, detailTypes).join('\n');
      return isRefused([wider]) || lines(wider) !== lines(asked[at] as AuthorizationDetail);
    }));

  test('reads in lines that nothing breaks', () =>
    holds(anyEntry, (entry) => describeEntry(entry, detailTypes).every((line) => /^[^\p{C}\p{Zl}\p{Zp}]+$/u.test(line))));
});

describe('what is approved', () => {
  test('is within itself, in any order', () =>
    holds(
      anyDetails.chain((asked) => fc.tuple(fc.constant(asked), fc.shuffledSubarray(asked, { minLength: asked.length }))),
      ([asked, shuffled]) => within(asked, asked) && within(shuffled, asked),
    ));

  test('may be less, and less than that', () =>
    holds(
      anyDetails.chain((asked) => narrowed(asked).chain((less) => narrowed(less).map((least) => ({ asked, less, least })))),
      ({ asked, less, least }) => within(less, asked) && within(least, less) && within(least, asked),
    ));

  test('on a page is what is ticked there: always within what was asked for, or nothing', () =>
    holds(fc.tuple(anyDetails, fc.infiniteStream(fc.boolean())), ([asked, ticks]) => {
      const kept = keptOf(asked, detailTypes, () => ticks.next().value === true);
      return kept.length === 0 || within(kept, asked);
    }));

  test('stays within what the one that it is within is within', () =>
    holds(
      fc.tuple(smallDetails, smallDetails, smallDetails),
      ([one, two, three]) => !within(one, two) || !within(two, three) || within(one, three),
    ));

  test('holds what it is within only when both are the same', () => {
    const same = (one: Details, other: Details) => contentOf(one).join('\n') === contentOf(other).join('\n');
    holds(fc.tuple(smallDetails, smallDetails), ([one, other]) => (within(one, other) && within(other, one)) === same(one, other));
    holds(
      anyDetails.chain((asked) => narrowed(asked).map((less) => ({ asked, less }))),
      ({ asked, less }) => within(asked, less) === same(asked, less),
    );
  });

  test('is never wider in any member', () => holds(withOneWidened, ({ asked, approved }) => !within(approved, asked)));

  test('is never one entry more', () => holds(fc.tuple(anyDetails, anyEntry), ([asked, more]) => !within([...asked, more], asked)));

  test('is never what the schemas refuse, even if that was asked for', () =>
    holds(withOneWidened, ({ approved, wider }) => !isRefused([wider]) || !(within([wider], approved) || within(approved, approved))));

  test('is never what is no entry', () =>
    holds(fc.tuple(fc.array(fc.anything()), anyDetails), ([approved, asked]) => !within(approved, asked)));
});
