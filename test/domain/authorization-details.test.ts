import { describe, expect, test } from '@jest/globals';
import * as z from 'zod';
import { describe as describeEntry, isWithin, keptOf, linesOf } from '../../src/domain/authorization-details/approval.ts';
import { type AuthorizationDetail, defineType, typesOf } from '../../src/domain/authorization-details/detail-type.ts';
import { shownText } from '../../src/domain/authorization-details/fields.ts';
import { fewer } from '../../src/domain/authorization-details/narrowing.ts';
import { authorizationDetailsOf } from '../../src/domain/authorization-details/parameter.ts';
import { detailTypes } from '../../src/domain/authorization-details/registered.ts';
import { OAuthError } from '../../src/domain/oauth-error.ts';
import { expectRefusal } from '../support/given.ts';

const IBANS = ['DE02100100109307118603', 'GB82WEST12345698765432', 'FR1420041010050500013M02606', 'NO9386011117947'] as const;
const accounts: AuthorizationDetail = {
  type: 'account_information',
  actions: ['list_accounts', 'read_balances', 'read_transactions'],
  locations: ['https://example.com/accounts'],
  accounts: [{ iban: IBANS[0] }, { iban: IBANS[1] }, { accountId: 'a-1' }],
  recurringIndicator: true,
  validUntil: '2026-12-31',
};
const payment: AuthorizationDetail = {
  type: 'payment_initiation',
  actions: ['initiate', 'status', 'cancel'],
  locations: ['https://example.com/payments'],
  instructedAmount: { currency: 'EUR', amount: '123.50' },
  creditorName: 'Merchant A',
  creditorAccount: { iban: IBANS[0] },
  remittanceInformationUnstructured: 'Ref Number Merchant',
};
const card: AuthorizationDetail = {
  type: '3ds:payment_authorisation',
  instructed_amount: { amount: 49.95, currency: 'AUD' },
  source_account: '4111111111111111',
  beneficiary_name: 'Ocean Store',
  payment_desc: 'Order 42',
};
const examples = [accounts, payment, card];

const read = (value: unknown, allowed?: readonly string[]) => authorizationDetailsOf(value, detailTypes, allowed);
const accepts = (value: unknown) => expect(read(value)).toStrictEqual(value);
const refuses = (value: unknown, allowed?: readonly string[]) => expectRefusal(() => read(value, allowed), 'invalid_authorization_details');
const within = (approved: readonly unknown[], asked: readonly AuthorizationDetail[]) => isWithin(approved, asked, detailTypes);
const without = (entry: AuthorizationDetail, name: string): AuthorizationDetail => {
  const { [name]: _, ...rest } = entry;
  return rest as AuthorizationDetail;
};
const refusalOf = (value: unknown): string => {
  try {
    read(value);
  } catch (error) {
    if (error instanceof OAuthError) return error.message;
    throw error;
  }
  throw new Error('it was not refused');
};

describe('authorization_details', () => {
  test('is the text of a form', () => expect(read(JSON.stringify(examples))).toStrictEqual(examples));
  test('is the array of a request object', () => expect(read(examples)).toStrictEqual(examples));
  test('may hold sixteen entries, and the same one twice', () => expect(read(Array(16).fill(payment))).toHaveLength(16));
  test.each([
    ['seventeen entries', Array(17).fill(payment)],
    ['no entry', []],
    ['no entry, as text', '[]'],
    ['an object', payment],
    ['an object, as text', JSON.stringify(payment)],
    ['a text that is not JSON', '[{'],
    ['an empty text', ''],
    ['a text of a text', JSON.stringify(JSON.stringify(examples))],
    ['nothing', undefined],
    ['null', null],
    ['null, as text', 'null'],
    ['a number', 7],
    ['an entry of null', [null]],
    ['an entry of text', ['payment_initiation']],
    ['an entry in an array', [[payment]]],
    ['an entry without a type', [without(payment, 'type')]],
    ['a type that is a number', [{ ...payment, type: 1 }]],
    ['a type that is a list', [{ ...payment, type: ['payment_initiation'] }]],
    ['a type that nobody knows', [{ ...payment, type: 'payments' }]],
    ['a type that every object has', [{ type: 'constructor' }, { type: '__proto__' }]],
    ['a known type beside an unknown one', [payment, { type: 'payments' }]],
    ['a text that is too long for its blanks', `${JSON.stringify([payment])}${' '.repeat(8192)}`],
    ['text without end', '['.repeat(8192)],
    ['an array that is deeper than any stack', JSON.parse(`${'['.repeat(30_000)}${']'.repeat(30_000)}`)],
    ['a member that is deeper than any stack', [{ ...payment, deep: JSON.parse(`${'['.repeat(30_000)}${']'.repeat(30_000)}`) }]],
  ])('is not %s', (_, value) => refuses(value));

  test('is no longer than 8 KiB, counted in bytes', () => {
    const long = { ...payment, remittanceInformationUnstructured: 'é'.repeat(140), creditorName: 'é'.repeat(140) };
    expect(read(Array(8).fill(long))).toHaveLength(8);
    refuses(Array(11).fill(long));
    refuses(JSON.stringify(Array(11).fill(long)));
  });

  test('is of a type that the client is registered for', () => {
    expect(read([payment], ['payment_initiation'])).toStrictEqual([payment]);
    refuses([payment], ['account_information']);
    refuses([payment, accounts], ['payment_initiation']);
    refuses([payment], []);
    expectRefusal(() => read([{ type: 'own' }], ['own']), 'invalid_authorization_details');
  });

  test.each([
    [[{ type: 'x' }], 'authorization_details[0].type must be one of: account_information, payment_initiation, 3ds:payment_authorisation'],
    [[payment, without(payment, 'creditorName')], /^authorization_details\[1\]\.creditorName: .*expected string/],
    [
      [{ ...payment, creditorAccount: { iban: 'secret' } }],
      'authorization_details[0].creditorAccount.iban: must be an IBAN in upper case without spaces',
    ],
    [[{ ...accounts, actions: ['list_accounts', 'secret'] }], /^authorization_details\[0\]\.actions\[1\]: .*'list_accounts'\|/],
    [[{ ...payment, secret: 1 }], 'authorization_details[0]: holds a member that its type does not define'],
    [[{ ...payment, creditorAccount: { iban: IBANS[0], secret: 1 } }], /^authorization_details\[0\]\.creditorAccount: holds/],
  ])('says what is wrong with %j', (value, message) => {
    const refusal = refusalOf(value);
    expect(refusal).toEqual(typeof message === 'string' ? message : expect.stringMatching(message));
    expect(refusal).not.toContain('secret');
    expect(refusal).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/);
  });
});

describe('every entry', () => {
  const lacking = examples.flatMap((entry) => Object.keys(entry).map((name) => [entry.type, name, without(entry, name)] as const));
  const OPTIONAL = [
    'locations',
    'accounts',
    'recurringIndicator',
    'validUntil',
    'remittanceInformationUnstructured',
    'payment_initiation.actions',
  ];
  const mayGo = (type: string, name: string) => OPTIONAL.includes(name) || OPTIONAL.includes(`${type}.${name}`);

  test.each(lacking.filter(([type, name]) => mayGo(type, name)))('%s may lack %s', (_type, _name, entry) =>
    expect(read([entry])).toStrictEqual([entry]),
  );
  test.each(lacking.filter(([type, name]) => !mayGo(type, name)))('%s must have %s', (_type, _name, entry) => refuses([entry]));
  test.each(examples)('has no member beside those of its type: $type', (entry) => {
    refuses([{ ...entry, privileges: ['admin'] }]);
    refuses(`[${JSON.stringify(entry).slice(0, -1)},"__proto__":{"privileges":["admin"]}}]`);
  });
  test.each(examples.flatMap((entry) => Object.keys(entry).map((name) => [entry.type, name, entry] as const)))(
    '%s has something in %s',
    (_, name, entry) => {
      for (const value of [null, '', [], {}, -1, Number.NaN, [null], [''], 'x\ny']) refuses([{ ...entry, [name]: value }]);
    },
  );
});

describe('an amount', () => {
  const inText = (amount: unknown) => [{ ...payment, instructedAmount: { currency: 'EUR', amount } }];
  const inNumber = (amount: unknown) => [{ ...card, instructed_amount: { currency: 'EUR', amount } }];

  test.each(['1', '0.01', '0.00001', '100', '123.50', '9999999999999.99999'])('may be %p', (amount) => accepts(inText(amount)));
  test.each([
    '0',
    '0.00',
    '-1',
    '+1',
    '01',
    '.5',
    '5.',
    '1,00',
    '1e3',
    '0x10',
    ' 1',
    '1\n',
    '1 000',
    '١',
    'NaN',
    '0.000001',
    '12345678901234',
    1,
  ])('in text is not %p', (amount) => refuses(inText(amount)));
  test.each([1, 0.01, 49.95, 9_999_999_999_999, 0.00001])('may be the number %p', (amount) => accepts(inNumber(amount)));
  test.each([0, -0, -1, 0.000001, 1e-7, 1e13, 1e21, Number.MAX_VALUE, Number.POSITIVE_INFINITY, Number.NaN, '1'])(
    'is not the number %p',
    (amount) => refuses(inNumber(amount)),
  );
  test.each(['eur', 'EU', 'EURO', 'EUR ', '€', 'ÉUR', 978])('has no currency %p', (currency) => {
    refuses([{ ...payment, instructedAmount: { currency, amount: '1' } }]);
    refuses([{ ...card, instructed_amount: { currency, amount: 1 } }]);
  });
});

describe('an account', () => {
  const about = (...references: unknown[]) => [{ ...accounts, accounts: references }];

  test.each(IBANS)('may be %s', (iban) => accepts(about({ iban })));
  test.each(['DE03100100109307118603', 'DE02100100109307118630', 'de02100100109307118603', 'DE02 1001 0010 9307 1186 03', 'DE02', '', 1])(
    'is not %p',
    (iban) => refuses(about({ iban })),
  );
  test('is named in one way', () => {
    refuses(about({ iban: IBANS[0], accountId: 'a-1' }));
    refuses(about({}));
    refuses(about({ accountId: 'a 1' }));
    refuses(about({ accountId: 'x'.repeat(129) }));
  });
  test('is named once', () => refuses(about({ iban: IBANS[0] }, { accountId: 'a-1' }, { iban: IBANS[0] })));
  test('is one of a hundred at most', () => {
    const many = Array.from({ length: 101 }, (_, at) => ({ accountId: `a-${at}` }));
    expect(read(about(...many.slice(1)))).toHaveLength(1);
    refuses(about(...many));
  });
});

describe('a card', () => {
  const of = (source_account: unknown) => [{ ...card, source_account }];
  test.each(['4111111111111111', '378282246310005', '5555555555554444', '6011000990139424'])('may be %s', (number) => accepts(of(number)));
  test.each([
    '4111111111111112',
    '4111111111111111 ',
    '4111 1111 1111 1111',
    '41111111111',
    '0'.repeat(20),
    '٤111111111111111',
    4111111111111111,
  ])('is not %p', (number) => refuses(of(number)));
});

describe('a location', () => {
  const at = (location: unknown) => [{ ...accounts, locations: [location] }];
  test.each(['https://example.com', 'https://example.com/', 'https://rs.example.com:8443/a/b?c=d'])('may be %s', (url) => accepts(at(url)));
  test.each([
    'http://example.com',
    'https://bank.example@evil.example/',
    'https://example.com/#top',
    'https://example.com:99999/',
    'https://',
    'HTTPS://example.com',
    'https://EXAMPLE.com',
    'https://exämple.com',
    'https://example.com\\@evil.example',
    'javascript:alert(1)',
    ' https://example.com',
    '/accounts',
  ])('is not %p', (url) => refuses(at(url)));
});

describe('a text that is shown', () => {
  test.each(['Merchant A', 'Müller & Söhne', '支払い', 'Łódź', '"Quoted" \\ co.', '<b>Shop</b>'])('may be %j', (name) =>
    accepts([{ ...payment, creditorName: name }]),
  );
  test.each([' ', 'a\nb', 'a\u202eb', 'a\u200bb', 'a\u2028b', 'a\u0000b', '\u2800', 'x'.repeat(141), '\ud800'])('is not %j', (name) => {
    refuses([{ ...payment, creditorName: name }]);
    refuses([{ ...payment, remittanceInformationUnstructured: name }]);
    refuses([{ ...card, beneficiary_name: name }]);
  });
});

describe('a day', () => {
  test('may be a leap day', () => accepts([{ ...accounts, validUntil: '2028-02-29' }]));
  test.each(['2027-02-29', '2026-13-01', '2026-1-1', '31.12.2026', '2026-12-31T00:00:00Z', 1])('is not %p', (validUntil) =>
    refuses([{ ...accounts, validUntil }]),
  );
});

describe('an approval is within what was asked for', () => {
  test('when it is the same, in any order', () => {
    expect(within(examples, examples)).toBe(true);
    expect(within(examples.toReversed(), examples)).toBe(true);
    expect(within([{ ...accounts, actions: ['read_transactions', 'list_accounts', 'read_balances'] }], examples)).toBe(true);
  });
  test('with entries left out', () => expect(within([card], examples)).toBe(true));
  test('with fewer actions', () => {
    expect(within([{ ...accounts, actions: ['read_balances'] }], [accounts])).toBe(true);
    expect(within([{ ...payment, actions: ['initiate'] }], [payment])).toBe(true);
  });
  test('with fewer accounts', () => expect(within([{ ...accounts, accounts: [{ accountId: 'a-1' }] }], [accounts])).toBe(true));
  test('with some accounts where all were asked for', () => expect(within([accounts], [without(accounts, 'accounts')])).toBe(true));
  test('with the entry that only one of two fits', () => {
    const narrow = { ...accounts, actions: ['read_balances'] };
    expect(within([narrow, accounts], [accounts, narrow])).toBe(true);
    expect(within([accounts, narrow], [accounts, narrow])).toBe(true);
    expect(within([narrow, narrow], [accounts, narrow])).toBe(true);
  });
});

describe('what is kept of what was asked for', () => {
  /** Without what is named `entry` or `entry.member.item`. */
  const without = (...gone: string[]) =>
    keptOf(examples, detailTypes, (entry, part) => !gone.includes(part === null ? `${entry}` : `${entry}.${part.member}.${part.at}`));

  test('is all of it', () => expect(without()).toStrictEqual(examples));
  test('is the entries that stay', () => expect(without('0', '2')).toStrictEqual([payment]));
  test('is the items that stay', () => {
    const fewerRights = { ...accounts, actions: ['read_balances'], accounts: [{ iban: IBANS[0] }, { accountId: 'a-1' }] };
    expect(without('0.actions.0', '0.actions.2', '0.accounts.1', '1', '2')).toStrictEqual([fewerRights]);
  });
  test('is no entry that would have nothing in a list', () =>
    expect(without('0.accounts.0', '0.accounts.1', '0.accounts.2', '1.actions.0', '1.actions.1', '1.actions.2')).toStrictEqual([card]));
  test('loses nothing that the type does not let go', () => {
    const parts = examples.map((entry) => linesOf(entry, detailTypes).flatMap(({ part }) => part?.member ?? []));
    expect(parts.map((members) => [...new Set(members)])).toEqual([['actions', 'accounts'], ['actions'], []]);
    const one = { ...accounts, actions: ['read_balances'], accounts: [{ accountId: 'a-1' }] };
    expect(linesOf(one, detailTypes).filter(({ part }) => part !== null)).toEqual([]);
  });
});

describe('an approval is beyond what was asked for', () => {
  test.each<[string, unknown[], AuthorizationDetail[]]>([
    ['when it is nothing', [], examples],
    ['when nothing was asked for', [card], []],
    ['with one payment twice', [payment, payment], [payment, accounts]],
    [
      'with one entry in two parts',
      [
        { ...accounts, actions: ['list_accounts'] },
        { ...accounts, actions: ['read_balances'] },
      ],
      [accounts],
    ],
    ['with another action', [{ ...accounts, actions: ['read_account_details'] }], [accounts]],
    ['with no action', [{ ...accounts, actions: [] }], [accounts]],
    ['with actions where none was named', [payment], [without(payment, 'actions')]],
    ['without actions where some were named', [without(payment, 'actions')], [payment]],
    ['with another account', [{ ...accounts, accounts: [{ iban: IBANS[2] }] }], [accounts]],
    ['with no account', [{ ...accounts, accounts: [] }], [accounts]],
    ['with all accounts where some were asked for', [without(accounts, 'accounts')], [accounts]],
    ['with undefined for the accounts', [{ ...accounts, accounts: undefined }], [accounts]],
    ['with an amount that is less', [{ ...payment, instructedAmount: { currency: 'EUR', amount: '1' } }], [payment]],
    ['with an amount written otherwise', [{ ...payment, instructedAmount: { currency: 'EUR', amount: '123.5' } }], [payment]],
    ['with another currency', [{ ...card, instructed_amount: { amount: 49.95, currency: 'NZD' } }], [card]],
    ['with another creditor', [{ ...payment, creditorAccount: { iban: IBANS[1] } }], [payment]],
    ['with a BIC beside', [{ ...payment, creditorAccount: { iban: IBANS[0], bic: 'ABCIDEFFXXX' } }], [payment]],
    ['with an earlier end', [{ ...accounts, validUntil: '2026-01-01' }], [accounts]],
    ['without an end', [without(accounts, 'validUntil')], [accounts]],
    ['without a location', [without(accounts, 'locations')], [accounts]],
    ['with a member beside', [{ ...accounts, more: 1 }], [accounts]],
    ['with a member that every object has', [{ ...payment, constructor: 1 }], [payment]],
    ['with the type alone', [{ type: 'payment_initiation' }], [payment]],
    ['with another type', [{ ...payment, type: 'account_information' }], [payment]],
    ['with what is no entry', [null], examples],
    ['with the name of a type', ['payment_initiation'], examples],
    ['with an entry in an array', [[payment]], [payment]],
    ['of a type that is not known', [{ type: 'own' }], [{ type: 'own' }]],
    ['of a type that every object has', [{ type: 'constructor' }], [{ type: 'constructor' }]],
  ])('%s', (_, approved, asked) => expect(within(approved, asked)).toBe(false));

  test('with a prototype of its own', () => {
    const approved: unknown = JSON.parse(`[${JSON.stringify(payment).slice(0, -1)},"__proto__":{}}]`);
    expect(within(approved as unknown[], [payment])).toBe(false);
  });
});

describe('the PSU reads', () => {
  const lines = (entry: AuthorizationDetail) => describeEntry(entry, detailTypes);

  test('an access to accounts', () =>
    expect(lines(accounts)).toEqual([
      'List the accounts',
      'Read the balances',
      'Read the transactions',
      'For IBAN DE02 1001 0010 9307 1186 03',
      'For IBAN GB82 WEST 1234 5698 7654 32',
      'For account a-1',
      'More than once',
      'Until 2026-12-31',
      'At https://example.com/accounts',
    ]));
  test('an access to all accounts', () =>
    expect(lines({ type: 'account_information', actions: ['read_account_details'], recurringIndicator: false })).toEqual([
      'Read the details of the accounts',
      'For all of your accounts',
      'Once only',
    ]));
  test('a payment', () =>
    expect(lines({ ...payment, debtorAccount: { iban: IBANS[3] }, creditorAccount: { iban: IBANS[0], bic: 'ABCIDEFFXXX' } })).toEqual([
      'Payment of 123.50 EUR',
      'To Merchant A',
      'To IBAN DE02 1001 0010 9307 1186 03',
      'To BIC ABCIDEFFXXX',
      'From IBAN NO93 8601 1117 947',
      'Reference: Ref Number Merchant',
      'Start the payment',
      'Read the status of the payment',
      'Cancel the payment',
      'At https://example.com/payments',
    ]));
  test('a payment by card, without the number of the card', () =>
    expect(lines(card)).toEqual(['Card payment of 49.95 AUD', 'To Ocean Store', 'For Order 42', 'From the card that ends in 1111']));
  test('nothing of what is not well formed, or of no known type', () => {
    expect(() => lines({ ...payment, creditorName: 'a\nb' })).toThrow(z.ZodError);
    expect(() => lines({ type: 'own' })).toThrow(TypeError);
  });
});

describe("an ASPSP's own type", () => {
  const standingOrders = defineType({
    schema: z.strictObject({
      type: z.literal('standing_orders'),
      actions: z.array(z.enum(['read', 'change'])).min(1),
      note: shownText(20),
    }),
    narrowing: { actions: fewer },
    lines: ({ actions, note }) => [...actions, note],
  });
  const types = typesOf(...detailTypes.values(), standingOrders);
  const asked = [{ type: 'standing_orders', actions: ['read', 'change'], note: 'rent' }, payment];

  test('stands beside the others', () => {
    expect(authorizationDetailsOf(asked, types)).toStrictEqual(asked);
    expect(isWithin([{ type: 'standing_orders', actions: ['read'], note: 'rent' }], asked, types)).toBe(true);
    expect(isWithin([{ type: 'standing_orders', actions: ['read'], note: 'gas' }], asked, types)).toBe(false);
    expect(describeEntry({ type: 'standing_orders', actions: ['read'], note: 'rent' }, types)).toEqual(['read', 'rent']);
    refuses(asked);
  });
  test('cannot mend what a TPP sent', () => {
    const mending = defineType({
      schema: z.strictObject({ type: z.literal('mending'), note: z.string().trim() }),
      narrowing: {},
      lines: ({ note }) => [note],
    });
    const mended = (note: string) => authorizationDetailsOf([{ type: 'mending', note }], typesOf(mending));
    expect(mended('rent')).toHaveLength(1);
    expectRefusal(() => mended(' rent'), 'invalid_authorization_details');
  });
});
