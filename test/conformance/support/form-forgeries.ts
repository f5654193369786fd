import { testKey } from '../../support/jws.ts';
import {
  base64url,
  by,
  claiming,
  claimsText,
  type Forge,
  type Forgeries,
  headed,
  headerText,
  honestly,
  jws,
  resigned,
  rewritten,
} from './forging.ts';

const attacker = testKey('ES256');
const spki = attacker.publicKey.export({ type: 'spki', format: 'der' }).toString('base64');

/** By the attacker's key, which the header itself brings. */
const bringing =
  (member: object): Forge =>
  ({ header, claims }) =>
    jws({ ...header, alg: 'ES256', ...member }, claims, by(attacker));

const broughtKeys: Readonly<Record<string, object>> = {
  jwk: { jwk: attacker.publicJwk },
  jku: { jku: 'https://attacker.example/jwks' },
  x5u: { x5u: 'https://attacker.example/chain.pem' },
  x5c: { x5c: [spki] },
  'an empty x5c': { x5c: [] },
  'a jwk that is null': { jwk: null },
  'x5t#S256': { 'x5t#S256': 'x'.repeat(43) },
  'a symmetric jwk': { jwk: { kty: 'oct', k: 'AAAA' } },
  'a jku of a local file': { jku: 'file:///etc/passwd' },
  'a jku of a metadata service': { jku: 'http://169.254.169.254/latest/meta-data' },
};

const extensions: Readonly<Record<string, object>> = {
  'crit that names exp': { crit: ['exp'], exp: 1 },
  'crit that names nothing': { crit: [] },
  'crit that names what is not there': { crit: ['absent'] },
  'crit that is no list': { crit: 'exp' },
  'crit that is null': { crit: null },
  'crit that names alg': { crit: ['alg'] },
  'b64 true': { b64: true },
  'b64 false': { b64: false },
  'b64 true, and crit': { b64: true, crit: ['b64'] },
  'zip DEF': { zip: 'DEF' },
  'an empty zip': { zip: '' },
};

const headers: Forgeries = {
  ...Object.fromEntries(Object.entries(broughtKeys).map(([name, member]) => [`the key of the attacker, with ${name}`, bringing(member)])),
  ...Object.fromEntries(['jwk', 'jku', 'x5u', 'x5c'].map((name) => [`the right key, with ${name}`, headed({ ...broughtKeys[name] })])),
  ...Object.fromEntries(Object.entries(extensions).map(([name, member]) => [name, headed(member)])),
};

const parts: Forgeries = {
  'the signature stripped': rewritten((header, claims) => `${header}.${claims}.`),
  'the signature and its dot stripped': rewritten((header, claims) => `${header}.${claims}`),
  'the header alone': rewritten((header) => header),
  'nothing but dots': () => '..',
  'nothing at all': () => '',
  'a dot behind it': rewritten((...[header, claims, signature]) => `${header}.${claims}.${signature}.`),
  'a dot before it': rewritten((header, claims, signature) => `.${header}.${claims}.${signature}`),
  'a doubled dot': rewritten((header, claims, signature) => `${header}..${claims}.${signature}`),
  'four parts': rewritten((header, claims, signature) => `${header}.${claims}.${signature}.${signature}`),
  'five parts': rewritten((header, claims, signature) => `${header}.${claims}.${signature}.AA.AA`),
  'five parts under the header of a JWE': rewritten(
    (_header, claims, signature) => `${base64url({ alg: 'dir', enc: 'A256GCM' })}..${claims}.${signature}.${'A'.repeat(22)}`,
  ),
  'five parts under PBES2 with a costly count': () =>
    `${base64url({ alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', p2c: 2 ** 31 - 1, p2s: 'AAAA' })}.AAAA.AAAA.AAAA.AAAA`,
  'an enc in the header': headed({ alg: 'RSA-OAEP-256', enc: 'A256GCM' }),
  'a detached payload': rewritten((header, _claims, signature) => `${header}..${signature}`),
  'the header and the claims exchanged': rewritten((header, claims, signature) => `${claims}.${header}.${signature}`),
  'a nested JWT': (honest) => jws({ ...honest.header, cty: 'JWT' }, honestly(honest) as string, by(honest.key)),
  'a nested JWT by a stranger around it': (honest) => jws({ ...honest.header, cty: 'JWT' }, honestly(honest) as string, by(attacker)),
  'a nested JWT as a JSON text': claimsText((_text, honest) => JSON.stringify(honestly(honest))),
  'the claims of another signature': async (honest) => {
    const [header, , signature] = (await honestly(honest)).split('.');
    return `${header}.${base64url({ ...honest.claims, further: true })}.${signature}`;
  },
  'the header of another signature': rewritten(
    (_header, claims, signature, honest) => `${base64url({ ...honest.header, further: true })}.${claims}.${signature}`,
  ),
};

const signatures: Forgeries = {
  'a signature without its last byte': resigned((good) => good.subarray(0, -1)),
  'a signature without its first byte': resigned((good) => good.subarray(1)),
  'half a signature': resigned((good) => good.subarray(0, good.length / 2)),
  'a signature of one byte': resigned(() => Buffer.alloc(1)),
  'a signature with a zero behind it': resigned((good) => Buffer.concat([good, Buffer.alloc(1)])),
  'a signature with a zero before it': resigned((good) => Buffer.concat([Buffer.alloc(1), good])),
  'a signature twice': resigned((good) => Buffer.concat([good, good])),
  'a signature of four thousand bytes': resigned((good) => Buffer.concat([good, Buffer.alloc(4000)])),
  'a signature back to front': resigned((good) => Buffer.from(good).reverse()),
  'a signature with its first bit flipped': resigned((good) => flipped(good, 0, 0x80)),
  'a signature with its last bit flipped': resigned((good) => flipped(good, good.length - 1, 1)),
  'a signature in hex': resigned((good) => Buffer.from(good.toString('hex'))),
  'a signature encoded twice': resigned((good) => Buffer.from(good.toString('base64url'))),
  'a signature over the claims alone': ({ header, claims, key }) => jws(header, claims, (signed) => by(key)(signed.split('.')[1] ?? '')),
  'a signature over the header alone': ({ header, claims, key }) => jws(header, claims, (signed) => by(key)(signed.split('.')[0] ?? '')),
  'a signature over the decoded parts': ({ header, claims, key }) =>
    jws(header, claims, () => by(key)(`${JSON.stringify(header)}.${JSON.stringify(claims)}`)),
  'a signature over nothing': ({ header, claims, key }) => jws(header, claims, () => by(key)('')),
};

const flipped = (good: Buffer, at: number, bits: number): Buffer => {
  const other = Buffer.from(good);
  other[at] = (good[at] as number) ^ bits;
  return other;
};

/** Puts the bits at the end of the last character that a decoder throws away (RFC 4648, section 3.5). */
const withSpareBits = (text: string): string => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return text.slice(0, -1) + alphabet[alphabet.indexOf(text.at(-1) ?? '') | 1];
};

/** Signed over parts in an encoding of the forger's own. */
const encodedAs =
  (encode: (json: string) => string): Forge =>
  ({ header, claims, key }) => {
    const signed = [header, claims].map((part) => encode(JSON.stringify(part))).join('.');
    return `${signed}.${by(key)(signed).toString('base64url')}`;
  };

const alphabets: Forgeries = {
  'padding behind the signature': rewritten((header, claims, signature) => `${header}.${claims}.${signature}=`),
  'full padding behind the signature': rewritten((header, claims, signature) => `${header}.${claims}.${signature}==`),
  'padding behind the header': rewritten((header, claims, signature) => `${header}=.${claims}.${signature}`),
  'a + in the signature': rewritten((header, claims, signature) => `${header}.${claims}.+${signature.slice(1)}`),
  'a / in the signature': rewritten((header, claims, signature) => `${header}.${claims}./${signature.slice(1)}`),
  'parts in base64 with padding': encodedAs((json) =>
    Buffer.from(json.padEnd(json.length + ((4 - (json.length % 3)) % 3))).toString('base64'),
  ),
  'parts in hex with a sign': encodedAs((json) => `0x${Buffer.from(json).toString('hex')}`),
  'parts that are not encoded': encodedAs((json) => json.replaceAll(/[^\x21-\x7e]/g, '')),
  'bits at the end of the signature that no decoder reads': rewritten(
    (header, claims, signature) => `${header}.${claims}.${withSpareBits(signature)}`,
  ),
  'an asterisk in it': rewritten((header, claims, signature) => `${header}.${claims}*.${signature}`),
  'a percent sign in it': rewritten((header, claims, signature) => `${header}%2E${claims}%2E${signature}`),
  'quotes around it': rewritten((...[header, claims, signature]) => `"${header}.${claims}.${signature}"`),
  'a tilde behind it, as if it disclosed something': rewritten((header, claims, signature) => `${header}.${claims}.${signature}~`),
  'a comma and the same again': rewritten(
    (...[header, claims, signature]) => `${header}.${claims}.${signature},${header}.${claims}.${signature}`,
  ),
  'a URL before it': rewritten((header, claims, signature) => `https://attacker.example/#${header}.${claims}.${signature}`),
  'a data URL before it': rewritten((header, claims, signature) => `data:application/jwt,${header}.${claims}.${signature}`),
  'a URN instead of it': () => 'urn:ietf:params:oauth:request_uri:x',
  'all of it in lower case': rewritten((...[header, claims, signature]) => `${header}.${claims}.${signature}`.toLowerCase()),
  'flattened JSON without spaces': rewritten((header, payload, signature) => JSON.stringify({ protected: header, payload, signature })),
  'general JSON without spaces': rewritten((header, payload, signature) =>
    JSON.stringify({ payload, signatures: [{ protected: header, signature }] }),
  ),
  'JSON with an unprotected header': rewritten((header, payload, signature) =>
    JSON.stringify({ protected: header, header: { alg: 'none' }, payload, signature }),
  ),
};

const replaceFirst = (text: string, member: string) => `{${member},${text.slice(1)}`;
const append = (text: string, member: string) => `${text.slice(0, -1)},${member}}`;
const DEEP = 2000;

const headerTexts: Forgeries = {
  'a header that is a list': headerText((text) => `[${text}]`),
  'a header that is an empty list': headerText(() => '[]'),
  'a header that is a text': headerText((text) => JSON.stringify(text)),
  'a header that is a number': headerText(() => '1'),
  'a header that is null': headerText(() => 'null'),
  'a header that is true': headerText(() => 'true'),
  'a header that is empty': headerText(() => '{}'),
  'a header that is no JSON': headerText((text) => text.slice(0, -1)),
  'a header with something behind it': headerText((text) => `${text}x`),
  'a header with another object behind it': headerText((text) => `${text}{"alg":"none"}`),
  'a header with a comma too many': headerText((text) => `${text.slice(0, -1)},}`),
  'a header with a comment': headerText((text) => `${text}/**/`),
  'a header in single quotes': headerText((text) => text.replaceAll('"', "'")),
  'a header with a byte order mark': headerText((text) => `\ufeff${text}`),
  'a header in UTF-16': headerText((text) => Buffer.from(text, 'utf16le')),
  'a header that is no UTF-8': headerText((text) =>
    Buffer.concat([Buffer.from(`${text.slice(0, -1)},"x":"`), Buffer.of(0xff), Buffer.from('"}')]),
  ),
  'a header with a NUL behind it': headerText((text) => `${text}\u0000`),
  'a header without end': headerText((text) => append(text, `"x":${'['.repeat(DEEP)}`)),
  'a header inside __proto__': headerText((text) => `{"__proto__":${text}}`),
  'a header inside constructor.prototype': headerText((text) => `{"constructor":{"prototype":${text}}}`),
  'names of the header in upper case': headerText((text) => text.replaceAll(/"(\w+)":/g, (name) => name.toUpperCase())),
  'alg twice, the wrong one last': headerText((text) => append(text, '"alg":"none"')),
  'alg twice, the wrong one first': headerText((text) => replaceFirst(text, '"alg":"none"')),
  'alg twice, the wrong one first and escaped': headerText((text) => replaceFirst(text, '"\\u0061lg":"none"')),
  'kid twice, the wrong one first': headerText((text) => replaceFirst(text, '"kid":"nobody"')),
  'typ twice, the wrong one first': headerText((text) => replaceFirst(text, '"typ":"at+jwt"')),
  'typ twice, the wrong one last': headerText((text) => append(text, '"typ":"at+jwt"')),
  'alg twice without a signature': (honest) =>
    jws(append(JSON.stringify(honest.header), '"alg":"none"'), honest.claims, () => Buffer.alloc(0)),
};

const claimTexts: Forgeries = {
  'claims that are a list': claimsText((text) => `[${text}]`),
  'claims that are an empty list': claimsText(() => '[]'),
  'claims that are a text': claimsText((text) => JSON.stringify(text)),
  'claims that are a number': claimsText(() => '1'),
  'claims that are null': claimsText(() => 'null'),
  'claims that are true': claimsText(() => 'true'),
  'claims that are empty': claimsText(() => '{}'),
  'claims that are no JSON': claimsText((text) => text.slice(0, -1)),
  'claims that are one blank': claimsText(() => ' '),
  'claims with something behind them': claimsText((text) => `${text}x`),
  'claims with other claims behind them': claimsText((text) => text + text),
  'claims with a comma too many': claimsText((text) => `${text.slice(0, -1)},}`),
  'claims with a comment': claimsText((text) => `${text}//`),
  'claims in single quotes': claimsText((text) => text.replaceAll('"', "'")),
  'claims with a byte order mark': claimsText((text) => `\ufeff${text}`),
  'claims in UTF-16': claimsText((text) => Buffer.from(text, 'utf16le')),
  'claims that are no UTF-8': claimsText((text) =>
    Buffer.concat([Buffer.from(`${text.slice(0, -1)},"x":"`), Buffer.of(0xc3, 0x28), Buffer.from('"}')]),
  ),
  'claims in overlong UTF-8': claimsText((text) => Buffer.concat([Buffer.of(0xc1, 0xbb), Buffer.from(text.slice(1))])),
  'claims with a NUL behind them': claimsText((text) => `${text}\u0000`),
  'claims without end': claimsText((text) => append(text, `"x":${'['.repeat(DEEP)}`)),
  'claims as a form': claimsText((_text, { claims }) => new URLSearchParams(claims as Record<string, string>).toString()),
  'claims inside __proto__': claimsText((text) => `{"__proto__":${text}}`),
  'claims inside constructor.prototype': claimsText((text) => `{"constructor":{"prototype":${text}}}`),
  'claims inside a claim': claimsText((text) => `{"claims":${text}}`),
  'names of the claims in upper case': claimsText((text) => text.replaceAll(/"(\w+)":/g, (name) => name.toUpperCase())),
  'aud twice, the wrong one last': claimsText((text) => append(text, '"aud":"https://other.example"')),
  'aud twice, the wrong one first': claimsText((text) => replaceFirst(text, '"aud":"https://other.example"')),
  'aud twice, the wrong one last and escaped': claimsText((text) => append(text, '"\\u0061ud":"https://other.example"')),
  'aud twice, the wrong one first and escaped': claimsText((text) => replaceFirst(text, '"\\u0061ud":"https://other.example"')),
  'a claim called NaN': claimsText((text) => append(text, '"x":NaN')),
};

/** Forgeries of whom a token is for, where it says so. */
export const audienceForgeries: Forgeries = {
  'no aud': claiming({ aud: undefined }),
  'aud null': claiming({ aud: null }),
  'aud a number': claiming({ aud: 1 }),
  'aud true': claiming({ aud: true }),
  'aud an object': claiming(({ claims }) => ({ aud: { 0: claims['aud'], length: 1 } })),
  'aud empty': claiming({ aud: '' }),
  'aud an empty list': claiming({ aud: [] }),
  'aud a list of others': claiming({ aud: ['https://other.example', 'https://another.example'] }),
  'aud a list of ours and a number': claiming(({ claims }) => ({ aud: [claims['aud'], 1] })),
  'aud a list in a list': claiming(({ claims }) => ({ aud: [[claims['aud']]] })),
  'aud another server': claiming({ aud: 'https://other.example' }),
  'aud that begins like ours': claiming(({ claims }) => ({ aud: `${claims['aud']}.attacker.example` })),
  'aud that ends like ours': claiming(({ claims }) => ({ aud: `https://attacker.example/?${claims['aud']}` })),
  'aud in upper case': claiming(({ claims }) => ({ aud: String(claims['aud']).toUpperCase() })),
  'aud with a space behind it': claiming(({ claims }) => ({ aud: `${claims['aud']} ` })),
  'aud with a fragment': claiming(({ claims }) => ({ aud: `${claims['aud']}#` })),
  'aud of two in one text': claiming(({ claims }) => ({ aud: `${claims['aud']} https://other.example` })),
  'aud any': claiming({ aud: '*' }),
};

/** Forgeries of the form of a token, whatever it is for. */
export const formForgeries: Forgeries = {
  ...headers,
  ...parts,
  ...signatures,
  ...alphabets,
  ...headerTexts,
  ...claimTexts,
};

/** Those that a header of HTTP does not carry, or trims. */
export const textForgeries: Forgeries = {
  'a space before it': rewritten((header, claims, signature) => ` ${header}.${claims}.${signature}`),
  'a space behind it': rewritten((header, claims, signature) => `${header}.${claims}.${signature} `),
  'a space inside it': rewritten((header, claims, signature) => `${header}. ${claims}.${signature}`),
  'a line break behind it': rewritten((header, claims, signature) => `${header}.${claims}.${signature}\n`),
  'a line break inside it': rewritten((header, claims, signature) => `${header}.${claims.slice(0, 9)}\r\n${claims.slice(9)}.${signature}`),
  'a tab behind it': rewritten((header, claims, signature) => `${header}.${claims}.${signature}\t`),
  'a NUL behind it': rewritten((header, claims, signature) => `${header}.${claims}.${signature}\u0000`),
  'a byte order mark before it': rewritten((header, claims, signature) => `\ufeff${header}.${claims}.${signature}`),
  'an invisible space inside it': rewritten((header, claims, signature) => `${header}.${claims}\u200b.${signature}`),
  'full-width stops between its parts': rewritten((header, claims, signature) => `${header}\uff0e${claims}\uff0e${signature}`),
  'a Cyrillic letter in it': rewritten((header, claims, signature) => `${header.replace('e', '\u0435')}.${claims}.${signature}`),
  'a lone surrogate in it': rewritten((header, claims, signature) => `${header}.${claims}.${signature}\ud800`),
  'a scheme before it': rewritten((header, claims, signature) => `Bearer ${header}.${claims}.${signature}`),
  'flattened JSON': rewritten((header, payload, signature) => JSON.stringify({ protected: header, payload, signature }, null, 1)),
  'more than 16 KiB of claims': claiming({ padding: 'x'.repeat(16_384) }),
  'more than 16 KiB of header': headed({ padding: 'x'.repeat(16_384) }),
  'a signature of 20 KB': resigned((good) => Buffer.concat([good, Buffer.alloc(20_000)])),
  'a kid of 16 KB': headed({ kid: 'x'.repeat(16_000) }),
};

const KIDS: Readonly<Record<string, unknown>> = {
  empty: '',
  'a number': 1,
  null: null,
  true: true,
  'a list': ['ES256'],
  'an object': { $ne: null },
  unknown: 'nobody',
  'a path upwards': '../../../../dev/null',
  'a path upwards, encoded': '..%2f..%2f..%2fdev%2fnull',
  'a file': '/dev/null',
  'a file URL': 'file:///dev/null',
  'a URL': 'https://attacker.example/key',
  SQL: "x' union select 'AAAA' --",
  'SQL that is always true': "' or '1'='1",
  'a command': '$(id)',
  'a command behind a bar': '| id',
  'a template': '{{7*7}}',
  'a NUL': '\u0000',
  ['__proto__']: '__proto__',
  constructor: 'constructor',
  toString: 'toString',
  'a line break': 'a\r\nb',
  'a lone surrogate': '\ud800',
  'five thousand letters': 'x'.repeat(5000),
};

/** Forgeries of the `kid`, where it has a meaning. */
export const kidForgeries: Forgeries = {
  ...Object.fromEntries(Object.entries(KIDS).map(([name, kid]) => [`kid ${name}`, headed({ kid })])),
  'kid a NUL behind the right one': headed(({ header }) => ({ kid: `${header['kid']}\u0000` })),
  'kid a space behind the right one': headed(({ header }) => ({ kid: `${header['kid']} ` })),
  'kid the right one in another case': headed(({ header }) => ({ kid: otherCase(String(header['kid'])) })),
  'kid a list of the right one': headed(({ header }) => ({ kid: [header['kid']] })),
};

const otherCase = (text: string): string => (text === text.toUpperCase() ? text.toLowerCase() : text.toUpperCase());
