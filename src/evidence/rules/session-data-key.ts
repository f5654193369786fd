const TIME_LENGTH = 8;
const UUID_BYTES = 16;

/** The UUID by which phones of the reference know a request: the first bits of the hash in its id, as version 8 (RFC 9562, section 5.8). */
export const sessionDataKeyOf = (requestId: string): string => {
  const bytes = Buffer.from(requestId.slice(TIME_LENGTH), 'base64url').subarray(0, UUID_BYTES);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
};
