import { accountsIn, askForEnrolment, enrol, type Phone } from '../../src/demo/phone.ts';
import { CONSENTS } from './tpp.ts';

export type Fetch = typeof globalThis.fetch;
export type Person = { username: string; password: string };

/** The metadata of a client with a secret, for any engine. */
export const RECEIVER = {
  client_name: 'A TPP',
  profile: 'plain' as const,
  token_endpoint_auth_method: 'client_secret_post' as const,
  tls_client_certificate_bound_access_tokens: false,
};

/** A TPP with a client_secret, and a PSU with a phone, at any engine. */
export const parties = (fetch: Fetch, issuer: string) => {
  const post = async (path: string, form: Record<string, string>) =>
    (await (await fetch(issuer + path, { method: 'POST', body: new URLSearchParams(form) })).json()) as Record<string, string>;

  const tpp = async (clientId: string, secret: string) => {
    const auth = { client_id: clientId, client_secret: secret };
    const { access_token: token } = await post('/oauth2/token', { ...auth, grant_type: 'client_credentials', scope: 'accounts' });
    const authorization = `Bearer ${token}`;
    return {
      clientId,
      async lodge(): Promise<string> {
        const body = JSON.stringify({ Data: { Permissions: ['ReadAccountsDetail', 'ReadStandingOrdersBasic'] }, Risk: {} });
        const headers = { authorization, 'content-type': 'application/json' };
        const lodged = await fetch(issuer + CONSENTS, { method: 'POST', headers, body });
        return ((await lodged.json()) as { Data: { ConsentId: string } }).Data.ConsentId;
      },
      ask: (consentId: string, hint: string) =>
        post('/oauth2/ciba', { ...auth, scope: 'openid accounts', login_hint: hint, openbanking_intent_id: consentId }),
      receipt: (consentId: string, accept = 'application/json') =>
        fetch(`${issuer}/receipts/v1/consents/${consentId}`, { headers: { authorization, accept } }),
    };
  };

  return { tpp, phone: async (person: Person) => enrol(fetch, await askForEnrolment(fetch, issuer, person)) };
};

export type Receiver = Awaited<ReturnType<ReturnType<typeof parties>['tpp']>>;

/** The phone approves what waits, over its first account: the text that it was shown. */
export const approve = async (phone: Phone): Promise<string> => {
  const [waiting] = await phone.requests();
  const shown = await phone.retrieve(waiting?.request_id ?? '');
  await phone.send(shown.request_id, await phone.sign(shown, 'approved', accountsIn(shown).slice(0, 1)));
  return shown.shown;
};
