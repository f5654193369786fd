import { OAuthError } from '../../domain/oauth-error.ts';
import type { CallSignIn } from '../login.ts';

const BASIC = /^basic +(\S+)$/i;

/** Whether a call brings a user name and a password (RFC 7617). */
export const isBasic = (authorization: string | undefined): boolean => BASIC.test(authorization ?? '');

/** The PSU who calls with user name and password. */
export const basicSignIn = async (authorization: string | undefined, signIn: CallSignIn): Promise<string> => {
  const [, credentials = ''] = BASIC.exec(authorization ?? '') ?? [];
  const [, username = '', password = ''] = /^([^:]+):(.*)$/s.exec(Buffer.from(credentials, 'base64').toString()) ?? [];
  const psuId = username === '' ? null : await signIn(username, password);
  if (psuId === null) throw new OAuthError('invalid_token', 'the user name or the password is wrong');
  return psuId;
};
