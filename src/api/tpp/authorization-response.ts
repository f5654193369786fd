import type { ResponseMode } from '../../domain/authorization/parameters.ts';
import type { ClientMetadata } from '../../domain/client/metadata.ts';
import type { OAuthError } from '../../domain/oauth-error.ts';
import type { Clock } from '../../domain/ports/clock.ts';
import type { Signer } from '../../domain/ports/signer.ts';

// A browser follows a redirect at once (JARM, section 2.1, advises ten minutes at most).
const RESPONSE_SECONDS = 120;

/** Where an answer goes: a redirect URI that is registered, how it is carried there, and the `state` that goes along. */
export interface WayBack {
  redirectUri: string;
  responseMode: ResponseMode;
  state: string | null;
}

/** The URL that carries an answer to the client (RFC 6749, section 4.1.2; RFC 9207; JARM, section 2.3). */
export type AnswerUrl = (
  way: WayBack,
  client: { clientId: string; metadata: ClientMetadata },
  answer: Readonly<Record<string, string>>,
) => Promise<string>;

/** Makes the URLs of answers. Each says who issued it: as `iss`, or within the signed response. */
export const makeAnswerUrl =
  ({ signer, clock, issuer }: { signer: Signer; clock: Clock; issuer: string }): AnswerUrl =>
  async ({ redirectUri, responseMode, state }, { clientId, metadata }, answer) => {
    const said = { ...answer, ...(state !== null && { state }) };
    const signed = responseMode.endsWith('.jwt');
    const alg = metadata.authorization_signed_response_alg ?? metadata.id_token_signed_response_alg;
    const claims = { iss: issuer, aud: clientId, exp: clock() + RESPONSE_SECONDS, ...said };
    const parameters = signed ? { response: await signer.sign(alg, 'JWT', claims) } : { ...said, iss: issuer };
    const text = new URLSearchParams(parameters).toString();
    const url = new URL(redirectUri);
    if (responseMode.startsWith('fragment')) url.hash = text;
    else url.search = url.search === '' ? text : `${url.search}&${text}`;
    return url.href;
  };

/** A refusal as an answer to the client. */
export const refusalAnswer = ({ error, message }: OAuthError): Readonly<Record<string, string>> => ({ error, error_description: message });
