import { argon2, randomBytes, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';

// RFC 9106 with the cost that OWASP's password storage page asks for at least: 19 MiB, two passes, one lane.
const COST = { memory: 19_456, passes: 2, parallelism: 1 };
const [SALT_BYTES, TAG_BYTES] = [16, 32];
const PHC = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/;

const argon2id = promisify(argon2) as (algorithm: 'argon2id', parameters: object) => Promise<Buffer>;

/** The argon2id hash of a password in PHC form. */
export const hashPassword = async (password: string): Promise<string> => {
  const nonce = randomBytes(SALT_BYTES);
  const tag = await argon2id('argon2id', { message: password, nonce, tagLength: TAG_BYTES, ...COST });
  const [salt, hash] = [nonce, tag].map((bytes) => bytes.toString('base64').replaceAll('=', ''));
  return `$argon2id$v=19$m=${COST.memory},t=${COST.passes},p=${COST.parallelism}$${salt}$${hash}`;
};

/** Whether a password has this hash; false, after the same work, for what is no hash. */
export const passwordFits = async (password: string, hash: string): Promise<boolean> => {
  const [, memory, passes, parallelism, salt, expected] = PHC.exec(hash) ?? [];
  const cost = memory === undefined ? COST : { memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism) };
  const nonce = Buffer.from(salt ?? 'AAAAAAAAAAAAAAAAAAAAAA', 'base64');
  const tag = await argon2id('argon2id', { message: password, nonce, tagLength: TAG_BYTES, ...cost });
  const wanted = Buffer.from(expected ?? '', 'base64');
  return wanted.length === tag.length && timingSafeEqual(wanted, tag);
};
