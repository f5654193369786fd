import { OAuthError } from '../../domain/oauth-error.ts';
import { basicSignIn, isBasic } from '../authorize/basic-sign-in.ts';
import type { CallSignIn } from '../login.ts';
import type { Call } from '../route.ts';
import type { Bearer } from '../tpp/bearer.ts';

/** What a token of a PSU must be for to act on the PSU's devices: only clients of the ASPSP itself are registered for it. */
const OWN_DEVICES = 'internal_login';

/** The PSU who calls: by user name and password, or by an access token of theirs with the reference's scope for that. */
export const makeSignedIn =
  ({ signIn, bearer }: { signIn: CallSignIn; bearer: Bearer }) =>
  async (call: Call): Promise<string> => {
    const { authorization } = call.headers;
    if (isBasic(authorization)) return basicSignIn(authorization, signIn);
    const { psuId } = await bearer(call, OWN_DEVICES);
    if (psuId === null) throw new OAuthError('insufficient_scope', 'the access token is not of a PSU');
    return psuId;
  };
export type SignedIn = ReturnType<typeof makeSignedIn>;

/** An access token of a client of the ASPSP's own, with a scope of the reference for its administrators. */
export const makeAdministrator =
  ({ bearer }: { bearer: Bearer }) =>
  async (call: Call, scope: string): Promise<string> => {
    const { psuId, clientId } = await bearer(call, scope);
    if (psuId !== null) throw new OAuthError('insufficient_scope', 'the access token is of a PSU');
    return clientId;
  };
export type Administrator = ReturnType<typeof makeAdministrator>;
