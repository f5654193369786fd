import * as z from 'zod';
import { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { JwsAlg, JwsReader } from '../../domain/ports/jws.ts';
import type { Limits } from '../../domain/ports/limits.ts';
import type { Surface } from '../surface.ts';

/** What a proof may be signed with: `dpop_signing_alg_values_supported`, and `algs` of the challenge (RFC 9449, sections 5.1 and 7.1). */
export const DPOP_ALGS = ['PS256', 'ES256', 'EdDSA'] as const satisfies readonly JwsAlg[];

const PROOF_SECONDS = 60;

const proofClaims = z.object({
  jti: z.string().min(1).max(256),
  htm: z.string(),
  htu: z.string(),
  iat: z.number(),
  ath: z.string().optional(),
});

/**
 * The RFC 7638 thumbprint of the key whose possession the `DPoP` header of a call proves, null where there is none, or
 * `invalid_dpop_proof` (RFC 9449, section 4.3). A proof counts once, at either listener, and for the access token if one is given.
 */
export const makeDpop =
  (deps: { jws: JwsReader; limits: Limits; clock: Clock; ids: Ids; surface: Surface }) =>
  async (given: {
    proof: string | string[] | undefined;
    method: string;
    /** As it was sent; a query in it does not count. */
    path: string;
    accessToken?: string | undefined;
  }): Promise<{ jkt: string } | null> => {
    const { jws, limits, clock, ids, surface } = deps;
    const refuse = (reason: string) => new OAuthError('invalid_dpop_proof', `the DPoP proof ${reason}`);
    if (given.proof === undefined) return null;
    const [proof, ...others] = [given.proof].flat();
    if (proof === undefined || others.length > 0) throw refuse('must be the only one');
    const decoded = jws.decodeWithJwk(proof);
    if (decoded === null) throw refuse('is no JWT that the public key in its header has signed with PS256, ES256 or EdDSA');
    // A media type, and thus without regard to case (RFC 7515, section 4.1.9).
    if (decoded.header.typ?.toLowerCase() !== 'dpop+jwt') throw refuse('has another typ than dpop+jwt');
    const { success, data: claims } = proofClaims.safeParse(decoded.claims);
    if (!success) throw refuse('must hold jti, htm, htu and iat');
    if (claims.htm !== given.method) throw refuse('is for another method');
    if (!isAt(surface, given.path, claims.htu)) throw refuse('is for another URI');
    if (Math.abs(clock() - claims.iat) > PROOF_SECONDS) throw refuse('is too old, or the clock of the client is wrong');
    if (given.accessToken !== undefined && claims.ath !== ids.hash(given.accessToken)) throw refuse('is for another access token');
    const jkt = decoded.key.thumbprint;
    if (!(await limits.firstUse(ids.hash(`dpop_proof\n${jkt}\n${claims.jti}`), Math.ceil(claims.iat) + 2 * PROOF_SECONDS)))
      throw refuse('was used before');
    return { jkt };
  };
export type Dpop = ReturnType<typeof makeDpop>;

const isAt = ({ issuer, mtlsBase }: Surface, path: string, htu: string): boolean => {
  const named = normalised(htu);
  // A target in another form than a path would run into the host.
  return named !== null && path.startsWith('/') && [issuer, mtlsBase].some((base) => normalised(base + path) === named);
};

// The characters of RFC 3986 without user information: URL.parse would mend what is no URI, and drop the user.
const HTTP_URI = /^https?:\/\/(?:[\w.~:[\]-]|%[\da-f]{2})+(?:[/?#](?:[\w.~:/?#[\]@!$&'()*+,;=-]|%[\da-f]{2})*)?$/i;

/** A URI without query and fragment, as RFC 3986, section 6.2, compares it: URL.parse leaves the percent-encoding to us. */
const normalised = (uri: string): string | null => {
  const url = HTTP_URI.test(uri) ? URL.parse(uri) : null;
  return url && url.origin + url.pathname.replaceAll(/%../g, unescapedIfUnreserved);
};

const unescapedIfUnreserved = (escaped: string): string => {
  const character = String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
  return /[\w.~-]/.test(character) ? character : escaped.toUpperCase();
};
