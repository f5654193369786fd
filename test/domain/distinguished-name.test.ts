import { describe, expect, test } from '@jest/globals';
import { canonicalName, sameSubject } from '../../src/domain/client/distinguished-name.ts';

const SUBJECT = 'CN=1g7yUiOr3p0QFnAB1UvInE,organizationIdentifier=PSDGB-FCA-123,O=Open Banking,C=GB';

describe('a subject is the same', () => {
  test.each([
    ['as itself', SUBJECT],
    ['with spaces around the separators', 'CN = 1g7yUiOr3p0QFnAB1UvInE, organizationIdentifier = PSDGB-FCA-123 , O=Open Banking, C=GB '],
    ['with more spaces inside', SUBJECT.replace('Open Banking', 'Open  Banking')],
    ['with types in another case', 'cn=1g7yUiOr3p0QFnAB1UvInE,ORGANIZATIONIDENTIFIER=PSDGB-FCA-123,o=Open Banking,c=GB'],
    ['with types as numbers', '2.5.4.3=1g7yUiOr3p0QFnAB1UvInE,OID.2.5.4.97=PSDGB-FCA-123,2.5.4.10=Open Banking,C=GB'],
    ['with types by their long names', 'commonName=1g7yUiOr3p0QFnAB1UvInE,2.5.4.97=PSDGB-FCA-123,organizationName=Open Banking,C=GB'],
    ['with a value in BER', SUBJECT.replace('organizationIdentifier=PSDGB-FCA-123', '2.5.4.97=#130d50534447422d4643412d313233')],
    ['with letters as bytes', SUBJECT.replace('Open', '\\4fp\\65n')],
  ])('%s', (_, other) => expect(sameSubject(SUBJECT, other)).toBe(true));

  test('with escapes that need not be', () => {
    expect(sameSubject('O=a\\=b\\#c\\, d,C=GB', 'O=a=b#c\\2C d,C=GB')).toBe(true);
    expect(sameSubject('O=S\\C3\\B6hne', 'O=Söhne')).toBe(true);
    expect(sameSubject('O=a\\\\41', 'O=a\\5C41')).toBe(true);
  });

  test('in whatever order a multi-valued RDN is written', () => {
    expect(sameSubject('CN=a+OU=b,C=GB', 'OU=b + CN=a,C=GB')).toBe(true);
  });
});

describe('a subject is another', () => {
  test.each([
    ['in reverse', 'C=GB,O=Open Banking,organizationIdentifier=PSDGB-FCA-123,CN=1g7yUiOr3p0QFnAB1UvInE'],
    ['without one of its parts', 'CN=1g7yUiOr3p0QFnAB1UvInE,O=Open Banking,C=GB'],
    ['with one part more', `${SUBJECT},DC=example`],
    ['with a value in another case', SUBJECT.replace('1g7y', '1G7Y')],
    ['with a part that hides in a value', SUBJECT.replace(',organizationIdentifier', '\\,organizationIdentifier')],
    ['as one multi-valued RDN', SUBJECT.replaceAll(',', '+')],
    ['as OpenSSL prints it by default', '/C=GB/O=Open Banking/CN=1g7yUiOr3p0QFnAB1UvInE'],
  ])('%s', (_, other) => expect(sameSubject(SUBJECT, other)).toBe(false));
});

describe('no name', () => {
  test.each([
    '',
    ' ',
    'CN',
    'CN=a,',
    ',CN=a',
    'CN=a,,C=GB',
    'CN="a"',
    'CN=a;C=GB',
    'CN=\\zz',
    'CN=a\\',
    'CN=\\ff',
    'CN=#',
    'CN=#13',
    'CN=#130361',
    'CN=#1301zz',
    '=a',
    '1=a',
  ])('is %j, not even the same as itself', (text) => {
    expect(canonicalName(text)).toBeNull();
    expect(sameSubject(text, text)).toBe(false);
  });

  test('takes long to find out', () => {
    const long = `CN=${' '.repeat(200_000)}\\`;
    const start = performance.now();
    expect(canonicalName(long)).toBeNull();
    expect(performance.now() - start).toBeLessThan(1000);
  });
});

test('the canonical form is a name again', () => {
  for (const name of ['CN=\\#a\\,b\\+c\\"d\\\\e\\<f\\>g\\;h=i', 'CN=a\\0ab', 'CN=', 'foo=bar', '1.2.3=bar']) {
    const canonical = canonicalName(name) ?? '';
    expect(canonicalName(canonical)).toBe(canonical);
    expect(sameSubject(canonical, name)).toBe(true);
  }
});
