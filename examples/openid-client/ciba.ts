import { readFileSync } from 'node:fs';
import * as openid from 'openid-client';

const ISSUER = process.env['ISSUER'] ?? 'https://localhost:9446';
const DATA_DIR = process.env['DATA_DIR'] ?? 'data';
const CONSENTS = `${ISSUER}/open-banking/v3.1/aisp/account-access-consents`;

interface Sandbox {
  client: { clientId: string; clientSecret: string };
  psus: [{ username: string }];
}
const { client, psus } = JSON.parse(readFileSync(`${DATA_DIR}/sandbox/sandbox.json`, 'utf8')) as Sandbox;

const tpp = await openid.discovery(
  new URL(ISSUER),
  client.clientId,
  { id_token_signed_response_alg: 'ES256' },
  openid.ClientSecretBasic(client.clientSecret),
);

const own = await openid.clientCredentialsGrant(tpp, { scope: 'accounts' });

/** A call of the consent API, with the token that the TPP has for itself. */
const consents = async (path: string, method: string, body?: object) => {
  const headers = { authorization: `Bearer ${own.access_token}`, 'content-type': 'application/json' };
  const response = await fetch(CONSENTS + path, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return response.status === 204 ? null : ((await response.json()) as { Data: { ConsentId: string; Status: string } }).Data;
};

const lodged = await consents('', 'POST', { Data: { Permissions: ['ReadAccountsDetail', 'ReadBalances'] }, Risk: {} });
const consentId = lodged?.ConsentId ?? '';
console.log(`consent ${consentId}: ${lodged?.Status}`);

const asked = await openid.initiateBackchannelAuthentication(tpp, {
  scope: 'openid accounts',
  login_hint: psus[0].username,
  binding_message: 'W4SCT',
  openbanking_intent_id: consentId,
});
console.log(`asked ${psus[0].username}, who sees W4SCT on the phone; polling every ${asked.interval} seconds`);

const tokens = await openid.pollBackchannelAuthenticationGrant(tpp, asked);
console.log(`approved: the ID token says ${tokens.claims()?.['acr']} of ${tokens.claims()?.sub}`);
console.log(`consent ${consentId}: ${(await consents(`/${consentId}`, 'GET'))?.Status}`);
console.log(`the access token is active: ${(await openid.tokenIntrospection(tpp, tokens.access_token)).active}`);

await consents(`/${consentId}`, 'DELETE');
console.log(`the consent is deleted; the access token is active: ${(await openid.tokenIntrospection(tpp, tokens.access_token)).active}`);
