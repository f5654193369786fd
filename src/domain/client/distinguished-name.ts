// Names as RFC 4514 and OpenSSL write them, in the certificates of payment services (ETSI EN 319 412, ETSI TS 119 495).
const TYPES = [
  { name: 'CN', oid: '2.5.4.3', also: 'commonName' },
  { name: 'SN', oid: '2.5.4.4', also: 'surname' },
  { name: 'serialNumber', oid: '2.5.4.5' },
  { name: 'C', oid: '2.5.4.6', also: 'countryName' },
  { name: 'L', oid: '2.5.4.7', also: 'localityName' },
  { name: 'ST', oid: '2.5.4.8', also: 'stateOrProvinceName' },
  { name: 'STREET', oid: '2.5.4.9', also: 'streetAddress' },
  { name: 'O', oid: '2.5.4.10', also: 'organizationName' },
  { name: 'OU', oid: '2.5.4.11', also: 'organizationalUnitName' },
  { name: 'businessCategory', oid: '2.5.4.15' },
  { name: 'postalCode', oid: '2.5.4.17' },
  { name: 'GN', oid: '2.5.4.42', also: 'givenName' },
  { name: 'organizationIdentifier', oid: '2.5.4.97' },
  { name: 'UID', oid: '0.9.2342.19200300.100.1.1', also: 'userId' },
  { name: 'DC', oid: '0.9.2342.19200300.100.1.25', also: 'domainComponent' },
  { name: 'emailAddress', oid: '1.2.840.113549.1.9.1', also: 'E' },
  { name: 'jurisdictionL', oid: '1.3.6.1.4.1.311.60.2.1.1', also: 'jurisdictionLocalityName' },
  { name: 'jurisdictionST', oid: '1.3.6.1.4.1.311.60.2.1.2', also: 'jurisdictionStateOrProvinceName' },
  { name: 'jurisdictionC', oid: '1.3.6.1.4.1.311.60.2.1.3', also: 'jurisdictionCountryName' },
];
const typeNames = new Map(TYPES.flatMap(({ name, oid, also }) => [name, oid, also ?? name].map((key) => [key.toLowerCase(), name])));

const ATTRIBUTE = /\s*(?:oid\.)?([a-z][a-z0-9-]*|\d+(?:\.\d+)+) *=((?:\\[0-9a-f]{2}|\\[ "#+,;<=>\\]|[^,+"\\;<>\0])*)([,+]|$)/iy;
const STRING_TAGS = [0x0c, 0x13, 0x16];

/**
 * One spelling for all that RFC 4514 allows for a name: order kept, types by their usual names, spaces folded, values of a
 * multi-valued RDN sorted. Null for what is not such a name.
 */
export const canonicalName = (text: string): string | null => {
  const names: string[][] = [[]];
  let separator = ',';
  ATTRIBUTE.lastIndex = 0;
  while (separator !== '') {
    const [, type = '', raw = '', next = ''] = ATTRIBUTE.exec(text) ?? [];
    const value = type === '' ? null : comparable(raw);
    if (value === null) return null;
    names.at(-1)?.push(`${typeNames.get(type.toLowerCase()) ?? type.toLowerCase()}=${escaped(value)}`);
    if (next === ',') names.push([]);
    separator = next;
  }
  return names.map((attributes) => attributes.sort().join('+')).join(',');
};

/**
 * Whether two RFC 4514 strings name the same subject, as `tls_client_auth_subject_dn` asks (RFC 8705, section 2.1.2). The order
 * counts: RFC 4514 (section 2.1) writes the last RDN first, and the same RDNs in another order are another name (RFC 5280,
 * section 7.1). The case of values counts, against RFC 5280: directories issue identifiers such as 1g7yUiOr3p0QFnAB1UvInE as
 * CN, and a refused name is found at the first call, an accepted wrong one never.
 */
export const sameSubject = (one: string, other: string): boolean => {
  const canonical = canonicalName(one);
  return canonical !== null && canonical === canonicalName(other);
};

const comparable = (raw: string): string | null => {
  const text = raw.trim().startsWith('#') ? fromBer(raw.trim().slice(1)) : unescaped(raw);
  // What is not UTF-8 cannot be compared: two such values would look the same.
  return text === null || text.includes('\uFFFD') ? null : text.trim().replace(/ +/g, ' ');
};

const unescaped = (raw: string): string =>
  raw.replace(
    /(?:\\[0-9a-f]{2})+|\\(.)/gi,
    (bytes, sign?: string) => sign ?? Buffer.from(bytes.replaceAll('\\', ''), 'hex').toString('utf8'),
  );

/** The text of a short BER string, which is how RFC 4514 (section 2.4) writes the value of a type without a short name. */
const fromBer = (hex: string): string | null => {
  const [tag = -1, length = -1, ...content] = Buffer.from(/^([0-9a-f]{2})+$/i.test(hex) ? hex : '', 'hex');
  return STRING_TAGS.includes(tag) && length < 0x80 && length === content.length ? Buffer.from(content).toString('utf8') : null;
};

const escaped = (value: string): string =>
  value.replace(/^#|[,+"\\;<>]/g, '\\$&').replace(/\p{Cc}/gu, (sign) => `\\${sign.charCodeAt(0).toString(16).padStart(2, '0')}`);
