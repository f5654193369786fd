import { describe, expect, test } from '@jest/globals';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import {
  type AuthenticationRequest,
  acrOf,
  authenticationRequest,
  bindingMessageOf,
  hintOf,
  intentOf,
  lifeOf,
  requestContextOf,
  scopeOf,
  scopeWithin,
} from '../../src/domain/ciba-request/request.ts';
import { expectRefusal } from '../support/given.ts';

const asked = (given: object): AuthenticationRequest => authenticationRequest.parse({ scope: 'openid', ...given });

describe('an authentication request', () => {
  test('needs a scope', () => expect(authenticationRequest.safeParse({ login_hint: 'alice' }).success).toBe(false));
  test('may hold parameters that nobody knows', () => expect(asked({ size: 1, colour: 'blue' })).toEqual({ scope: 'openid' }));
  test.each([
    { scope: ['openid'] },
    { login_hint: 1 },
    { login_hint: null },
    { id_token_hint: {} },
    { binding_message: 1234 },
    { acr_values: ['a'] },
    { requested_expiry: 10.5 },
    { requested_expiry: 1e21 },
    { requested_expiry: null },
    { requested_expiry: true },
    { openbanking_intent_id: 1 },
    { openbanking_intent_id: { values: ['1'] } },
    { claims: '{}' },
    { claims: { id_token: { openbanking_intent_id: null } } },
  ])('cannot hold %j', (given) => expect(authenticationRequest.safeParse({ scope: 'openid', ...given }).success).toBe(false));
});

describe('the PSU is named', () => {
  const hints = { login_hint: 'alice', id_token_hint: 'jws', login_hint_token: 'jws' };

  test('by a login_hint', () => expect(hintOf(asked({ login_hint: 'alice' }))).toEqual({ kind: 'login_hint', value: 'alice' }));
  test('by an id_token_hint', () => expect(hintOf(asked({ id_token_hint: 'jws' }))).toEqual({ kind: 'id_token_hint', value: 'jws' }));
  test('by a login_hint_token', () =>
    expect(hintOf(asked({ login_hint_token: 'jws' }))).toEqual({ kind: 'login_hint_token', value: 'jws' }));
  test.each([
    [],
    ['login_hint', 'id_token_hint'],
    ['login_hint', 'login_hint_token'],
    ['id_token_hint', 'login_hint_token'],
    ['login_hint', 'id_token_hint', 'login_hint_token'],
  ] as (keyof typeof hints)[][])('not by %j %j %j', (...names) => {
    const given = Object.fromEntries(names.filter((name) => name !== undefined).map((name) => [name, hints[name]]));
    expectRefusal(() => hintOf(asked(given)), 'invalid_request');
  });
  test('not by one that is empty beside another', () =>
    expectRefusal(() => hintOf(asked({ login_hint: '', id_token_hint: 'jws' })), 'invalid_request'));
});

describe('requested_expiry', () => {
  const limits = { defaultExpirySeconds: 300, minExpirySeconds: 30, maxExpirySeconds: 600 };
  const life = (requested_expiry?: unknown) => lifeOf(asked({ ...(requested_expiry !== undefined && { requested_expiry }) }), limits);

  test('is the usual life when absent', () => expect(life()).toBe(300));
  test.each([
    ['120', 120],
    [120, 120],
    ['30', 30],
    ['600', 600],
  ])('%p is taken at its word', (given, seconds) => expect(life(given)).toBe(seconds));
  test.each([
    ['1', 30],
    [29, 30],
    ['601', 600],
    ['999999999', 600],
    [999_999_999, 600],
  ])('%p is kept within the limits', (given, seconds) => expect(life(given)).toBe(seconds));
  test.each([
    '0',
    0,
    -0,
    '-1',
    -1,
    '1e9',
    '1e3',
    '0x10',
    '0300',
    '+300',
    ' 300',
    '300 ',
    '300\n',
    '10.5',
    '1,000',
    '1_000',
    '١٢٠',
    '',
    'Infinity',
    'NaN',
    '1000000000',
    1_000_000_000,
    Number.MAX_SAFE_INTEGER,
    '9'.repeat(400),
  ])('%p is refused', (given) => expectRefusal(() => life(given), 'invalid_request'));
});

describe('the scope', () => {
  const registered = 'openid accounts payments';

  test.each([
    ['openid', 'openid'],
    ['openid accounts', 'openid accounts'],
    ['accounts openid', 'accounts openid'],
    ['openid openid  accounts openid', 'openid accounts'],
    [' openid ', 'openid'],
  ])('%p is %p', (scope, granted) => expect(scopeOf(asked({ scope }), registered)).toBe(granted));
  test.each([
    '',
    ' ',
    'accounts',
    'openid admin',
    'OPENID',
    'openid\taccounts',
    'openid,accounts',
    'openid\u00a0accounts',
    '__proto__ openid',
  ])('%p is refused', (scope) => expectRefusal(() => scopeOf(asked({ scope }), registered), 'invalid_scope'));
  test('of a token need not hold openid', () => expect(scopeWithin('accounts', registered)).toBe('accounts'));
  test('of a token is never empty', () => expectRefusal(() => scopeWithin('', registered), 'invalid_scope'));
  test('is nothing to a client that is registered for nothing', () => expectRefusal(() => scopeWithin('openid', ''), 'invalid_scope'));
});

describe('the acr', () => {
  const supported = ['urn:sca', 'urn:ca'];
  const chosen = (acr_values?: string) => acrOf(asked({ ...(acr_values !== undefined && { acr_values }) }), supported);

  test("is the server's first when none was asked for", () => expect(chosen()).toBe('urn:sca'));
  test("is the first of the client's that the server has", () => expect(chosen('urn:none urn:ca urn:sca')).toBe('urn:ca'));
  test('is none when the server has none of them', () => {
    expect(chosen('urn:none')).toBeNull();
    expect(chosen('')).toBeNull();
  });
  test('is none of a server that has none', () => expect(acrOf(asked({}), [])).toBeNull());
});

describe('the consent is named', () => {
  const inBoth = (userinfo: unknown, id_token: unknown) => ({
    claims: { userinfo: { openbanking_intent_id: userinfo }, id_token: { openbanking_intent_id: id_token } },
  });

  test.each([
    [{}, null],
    [{ claims: {} }, null],
    [{ claims: { id_token: { acr: { essential: true } } } }, null],
    [{ openbanking_intent_id: '1' }, '1'],
    [{ openbanking_intent_id: { value: '1', essential: true } }, '1'],
    [{ claims: { userinfo: { openbanking_intent_id: { value: '1' } } } }, '1'],
    [{ claims: { id_token: { openbanking_intent_id: { value: '1', essential: true } } } }, '1'],
    [inBoth({ value: '1' }, { value: '1' }), '1'],
    [{ openbanking_intent_id: '1', ...inBoth({ value: '1' }, '1') }, '1'],
  ])('in %j: %p', (given, intent) => expect(intentOf(asked(given))).toBe(intent));
  test.each([
    [inBoth({ value: '1' }, { value: '2' })],
    [{ openbanking_intent_id: '2', ...inBoth({ value: '1' }, { value: '1' }) }],
    [{ openbanking_intent_id: '1', claims: { id_token: { openbanking_intent_id: { value: '' } } } }],
  ])('not twice differently: %j', (given) => expectRefusal(() => intentOf(asked(given)), 'invalid_request'));
});

describe('binding_message', () => {
  const message = (binding_message: string) => bindingMessageOf(asked({ binding_message }));

  test('need not be there', () => expect(bindingMessageOf(asked({}))).toBeNull());

  // Code point for code point: neither trimmed nor normalized.
  test.each([
    '1234',
    'W4SCT',
    'W4SCT-2',
    'Überweisung 12,50 €',
    'Zahlung an Müller & Söhne: 1.234,56 EUR',
    'Paiement de 12,50 € à l’Épicerie',
    'Transferência nº 7 (ação)',
    'Łódź 12:30',
    'Οδός Ερμού 5',
    'Оплата 12,50 ₽',
    '支払い 1200円',
    '결제 확인 42',
    'תשלום 42',
    'دفع ٤٢',
    'भुगतान ४२',
    'ชำระเงิน ๔๒',
    'Mã số 1234 ổn',
    '¿Confirma? ¡Sí!',
    'a+b=c <100% #1 @home',
    '"quoted" \\ `ticks`',
    '👍 42',
    '🔑🌳🚲',
    '🇩🇪 42',
    '❤ 42',
    'two  spaces, and one at the end ',
    'x'.repeat(100),
    '👍'.repeat(100),
    'Preis 10 µg',
    'amazon.de 12,50 €',
  ])('%j is kept as it is', (text) => expect(message(text)).toBe(text));

  test.each<[string, string]>([
    ['nothing', ''],
    ['a blank', ' '],
    ['many blanks', ' '.repeat(50)],
    ['101 characters', 'x'.repeat(101)],
    ['300 characters', 'x'.repeat(300)],
    ['a megabyte', 'x'.repeat(1_000_000)],
    ['101 emoji', '👍'.repeat(101)],
    ['a line feed', 'W4\nSCT'],
    ['a carriage return', 'W4\rSCT'],
    ['CRLF', 'W4\r\nSCT'],
    ['a last line feed', 'W4SCT\n'],
    ['a tab', 'W4\tSCT'],
    ['a vertical tab', 'W4\vSCT'],
    ['NUL', 'W4\0SCT'],
    ['backspaces', 'W4SCT\b\b'],
    ['an escape sequence', '\x1b[31mW4SCT'],
    ['DEL', 'W4\x7fSCT'],
    ['NEL', 'W4\u0085SCT'],
    ['a line separator', 'W4\u2028SCT'],
    ['a paragraph separator', 'W4\u2029SCT'],
    ['a right-to-left override', 'pay \u202e05.21\u202c EUR'],
    ['a left-to-right override', 'W4\u202dSCT'],
    ['a right-to-left embedding', 'W4\u202bSCT'],
    ['a left-to-right embedding', 'W4\u202aSCT'],
    ['a pop of direction', 'W4\u202cSCT'],
    ['an isolate', 'W4\u2066SCT\u2069'],
    ['a right-to-left isolate', 'W4\u2067SCT'],
    ['a right-to-left mark', 'W4\u200fSCT'],
    ['a left-to-right mark', 'W4\u200eSCT'],
    ['an Arabic letter mark', 'W4\u061cSCT'],
    ['a zero width space', 'W4\u200bSCT'],
    ['a zero width joiner', 'W4\u200dSCT'],
    ['a zero width non-joiner', 'W4\u200cSCT'],
    ['a word joiner', 'W4\u2060SCT'],
    ['a byte order mark', '\ufeffW4SCT'],
    ['a soft hyphen', 'W4\u00adSCT'],
    ['a combining grapheme joiner', 'W4\u034fSCT'],
    ['a Hangul filler', 'W4\u3164SCT'],
    ['a halfwidth Hangul filler', 'W4\uffa0SCT'],
    ['a Hangul initial filler', 'W4\u115fSCT'],
    ['a Khmer inherent vowel', 'W4\u17b4SCT'],
    ['a Mongolian variation selector', 'W4\u180bSCT'],
    ['a variation selector', 'W4\ufe0fSCT'],
    ['a variation selector of the supplement', 'W4\u{e0101}SCT'],
    ['a tag', 'W4\u{e0041}SCT'],
    ['a blank Braille pattern', 'W4\u2800SCT'],
    ['a no-break space', '12,50\u00a0€'],
    ['a narrow no-break space', '12,50\u202f€'],
    ['an ideographic space', 'W4\u3000SCT'],
    ['an interlinear annotation', 'W4\ufff9SCT'],
    ['an object replacement', 'W4\ufffcSCT'],
    ['a character that was lost', 'W4\ufffdSCT'],
    ['a private character', 'W4\ue000SCT'],
    ['an unassigned character', 'W4\u0378SCT'],
    ['a noncharacter', 'W4\uffffSCT'],
    ['a high surrogate alone', 'W4\ud83d'],
    ['a low surrogate alone', 'W4\udc4dSCT'],
    ['surrogates in the wrong order', '\udc4d\ud83d'],
    ['letters that are not composed', 'U\u0308berweisung'],
    ['a compatible but other sign', '10 \u2126'],
    ['a family of joined emoji', '👨\u200d👩\u200d👧'],
    ['a link', 'https://example.com/pay'],
    ['a link in a sentence', 'confirm at HTTP://EXAMPLE.COM now'],
    ['a link to an app', 'bank://pay'],
    ['a link without a scheme', 'see www.example.com'],
    ['Latin with a Cyrillic letter', 'PayP\u0430l 42'],
    ['Latin with a Greek letter', 'PayP\u03b1l 42'],
    ['Greek with a Cyrillic letter', 'Οδ\u043eς 5'],
  ])('with %s is refused', (_, text) => expectRefusal(() => message(text), 'invalid_binding_message'));
});

describe('a request_context', () => {
  const context = (request_context: unknown) => requestContextOf(asked({ request_context }));
  const nested = (levels: number): unknown => (levels === 0 ? 1 : { in: nested(levels - 1) });

  test('may be missing', () => expect(requestContextOf(asked({}))).toBeNull());
  test.each([{}, { a: 1 }, { till: '7', at: { lines: ['\u00fc', null, true, 1.5] } }])('is the object %j, or its text', (object) => {
    expect(context(object)).toEqual(object);
    expect(context(JSON.stringify(object))).toEqual(object);
  });
  test('goes 16 levels deep, and no deeper', () => {
    expect(context(nested(16))).toEqual(nested(16));
    expectRefusal(() => context(nested(17)), 'invalid_request');
  });
  test('has 4096 bytes, and no more', () => {
    const long = (length: number) => ({ a: '\u00fc'.repeat(length / 2 - 4) });
    expect(context(long(4096))).toEqual(long(4096));
    expectRefusal(() => context(long(4098)), 'invalid_request');
  });
  test.each([
    '',
    '{',
    '[]',
    '1',
    'null',
    [],
    1,
    true,
    null,
    '"text"',
    '{"a":1e999}',
    '{"a":"\\ud800"}',
    '{"\\ud800":1}',
    { a: Number.NaN },
  ])('is not %j', (given) => expectRefusal(() => context(given), 'invalid_request'));

  test('whatever it is, can be shown or is refused', () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom('a', '\ud83d', '\ude00', '"', '\\') }));
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 20 },
        text,
        fc.double(),
        fc.boolean(),
        fc.constant(null),
        fc.array(tie('any')),
        fc.dictionary(text, tie('any')),
      ),
    })).any;
    fc.assert(
      fc.property(fc.dictionary(text, value), (object) => {
        try {
          expect(canonicalize(context(object))).toBeDefined();
        } catch (error) {
          expect(error).toMatchObject({ error: 'invalid_request' });
        }
      }),
    );
  });
});
