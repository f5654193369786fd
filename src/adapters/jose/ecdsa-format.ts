const SIZE = 32;

// Asking node:crypto for `ieee-p1363` costs twice the signature; converting here costs nothing (reference figures in docs/decisions).

/** r ‖ s, as JOSE wants it, from the DER that OpenSSL makes (P-256). */
export const joseFromDer = (der: Buffer): Buffer => {
  const out = Buffer.alloc(2 * SIZE);
  let offset = 2;
  for (const end of [SIZE, 2 * SIZE]) {
    const length = der[offset + 1] as number;
    const value = der.subarray(offset + 2, offset + 2 + length);
    const digits = length > SIZE ? value.subarray(length - SIZE) : value;
    digits.copy(out, end - digits.length);
    offset += 2 + length;
  }
  return out;
};

/** The DER that OpenSSL wants, from r ‖ s; null when it is not 64 bytes. */
export const derFromJose = (signature: Buffer): Buffer | null => {
  if (signature.length !== 2 * SIZE) return null;
  const r = integer(signature.subarray(0, SIZE));
  const s = integer(signature.subarray(SIZE));
  return Buffer.concat([Buffer.from([0x30, r.length + s.length]), r, s]);
};

const integer = (bytes: Buffer): Buffer => {
  let start = 0;
  while (start < SIZE - 1 && bytes[start] === 0) start += 1;
  const digits = bytes.subarray(start);
  const sign = (digits[0] as number) >= 0x80 ? [0] : [];
  return Buffer.concat([Buffer.from([0x02, digits.length + sign.length, ...sign]), digits]);
};
