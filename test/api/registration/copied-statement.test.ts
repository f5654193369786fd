import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { TestEngine } from '../../support/engine.ts';
import { expectRefusal } from '../../support/http.ts';
import { facts } from '../../support/log.ts';
import { certificate, withCertificate } from '../../support/tpp.ts';
import { bearer, type Ecosystem, engineIn, REGISTER, registered, sendRegistration, startEcosystem } from './ecosystem.ts';

let ecosystem: Ecosystem;
let tested: TestEngine;
/** Here a statement may be missing. */
let lenient: TestEngine;
/** Here a statement may be missing, and clients may have secrets. */
let plain: TestEngine;
/** Here a statement may be missing, and a piece of software has one client. */
let single: TestEngine;
beforeAll(async () => {
  ecosystem = await startEcosystem();
  const optional = { COUNTERSIGN_REGISTRATION_REQUIRE_SOFTWARE_STATEMENT: 'false' };
  tested = await engineIn(ecosystem);
  lenient = await engineIn(ecosystem, optional);
  plain = await engineIn(ecosystem, { ...optional, COUNTERSIGN_REGISTRATION_PROFILE: 'plain' });
  single = await engineIn(ecosystem, { ...optional, COUNTERSIGN_REGISTRATION_ONE_CLIENT_PER_SOFTWARE: 'true' });
});
afterAll(() => Promise.all([tested.close(), lenient.close(), plain.close(), single.close(), ecosystem.close()]));

const wanted = (software_statement?: string) => ({
  ...(software_statement !== undefined && { software_statement }),
  token_endpoint_auth_method: 'private_key_jwt',
  grant_types: ['client_credentials', 'urn:openid:params:grant-type:ciba'],
});
const thief = { token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: 'CN=thief' };

const put = (body: Record<string, string>, change: object | string, engine = tested) =>
  sendRegistration(engine, change, {
    method: 'PUT',
    path: `${REGISTER}/${body['client_id']}`,
    headers: bearer(body['registration_access_token']),
  });
const refusedPut = (body: Record<string, string>, change: object | string, engine = tested) =>
  expectRefusal(engine, () => put(body, change, engine), 400, 'invalid_client_metadata');

/** The status of a call of the token endpoint with the certificate of the thief. */
const askAsThief = async (clientId: string | undefined, engine = tested): Promise<number> => {
  const form = { grant_type: 'client_credentials', client_id: String(clientId) };
  return (await engine.post('/oauth2/token', form, withCertificate(certificate({ subject: 'CN=thief' })))).status;
};

describe('who registered with a copy of a statement, and cannot sign', () => {
  test('changes nothing of how the client authenticates', async () => {
    const text = await ecosystem.statement();
    const body = await registered(sendRegistration(tested, wanted(text)));
    await refusedPut(body, { ...wanted(text), ...thief });
    await refusedPut(body, { ...wanted(await ecosystem.statement()), ...thief });
    expect(await askAsThief(body['client_id'])).toBe(401);
  });

  test('changes nothing of it by steps', async () => {
    const text = await ecosystem.statement();
    const body = await registered(sendRegistration(tested, { ...wanted(text), tls_client_auth_subject_dn: 'CN=thief' }));
    await refusedPut(body, { ...body, ...thief });
    expect(await askAsThief(body['client_id'])).toBe(401);
  });

  test('changes nothing of it where the update leaves the statement to what is registered', async () => {
    const body = await registered(sendRegistration(lenient, wanted(await ecosystem.statement())));
    await refusedPut(body, { ...wanted(), ...thief }, lenient);
  });

  test('changes the rest, which is bounded by the statement', async () => {
    const text = await ecosystem.statement();
    const body = await registered(sendRegistration(tested, wanted(text)));
    const contacts = ['a@tpp.example'];
    expect(await registered(put(body, { ...wanted(text), contacts }), 200)).toMatchObject({ contacts });
  });
});

describe('the software itself', () => {
  const byCertificate = { token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: 'CN=software' };

  test('changes how it authenticates by a request that it signs', async () => {
    const text = await ecosystem.statement();
    const body = await registered(sendRegistration(tested, wanted(text)));
    const request = await ecosystem.request(tested, { ...wanted(text), ...byCertificate });
    expect(await registered(put(body, request), 200)).toMatchObject(byCertificate);
  });

  test('signs no update that leaves how it authenticates as it was', async () => {
    const text = await ecosystem.statement();
    const request = await ecosystem.request(tested, { ...wanted(text), ...byCertificate });
    const body = await registered(sendRegistration(tested, request));
    const contacts = ['a@tpp.example'];
    expect(await registered(put(body, { ...body, contacts }), 200)).toEqual({ ...body, contacts });
    await refusedPut(body, { ...body, tls_client_auth_subject_dn: 'CN=thief' });
    await refusedPut(body, { ...body, tls_client_auth_subject_dn: null, tls_client_auth_san_dns: 'thief.example' });
    await refusedPut(body, { ...body, software_statement: await ecosystem.statement({ software_client_name: 'Newer' }) });
  });
});

describe('a statement that an update brings to a client without one', () => {
  test('is not enough for a secret of the client', async () => {
    const secret = { ...wanted(), token_endpoint_auth_method: 'client_secret_post', client_name: 'Mine' };
    const body = await registered(sendRegistration(plain, secret));
    await refusedPut(body, { ...secret, software_statement: await ecosystem.statement() }, plain);
    const form = { grant_type: 'client_credentials', client_id: String(body['client_id']), client_secret: String(body['client_secret']) };
    expect((await plain.post('/oauth2/token', form)).status).toBe(200);
  });

  test('is not enough for a certificate of the client, unless the request is signed', async () => {
    const own = { ...wanted(), ...thief, jwks: { keys: [ecosystem.softwareKey.publicJwk] } };
    const body = await registered(sendRegistration(lenient, own));
    const text = await ecosystem.statement();
    await refusedPut(body, { ...wanted(text), ...thief }, lenient);
    const request = await ecosystem.request(lenient, { ...wanted(text), ...thief });
    expect(await registered(put(body, request, lenient), 200)).toMatchObject({ client_name: 'The Software' });
  });
});

describe('where software has one client', () => {
  const signed = (text: string, iss: string) => async () =>
    sendRegistration(single, await ecosystem.request(single, { ...wanted(text), iss }));

  test('a copy of its statement does not take its place', async () => {
    const software_id = randomUUID();
    const text = await ecosystem.statement({ software_id });
    const before = await single.ports.store.head();
    const [copied, own] = await Promise.all([sendRegistration(single, wanted(text)), signed(text, software_id)()]);
    expect([copied.status, own.status]).toEqual([400, 201]);
    expect((await facts(single, before)).map(({ type }) => type)).toEqual(['ClientRegistered']);
    await expectRefusal(single, () => sendRegistration(single, wanted(text)), 400, 'invalid_client_metadata');
    await expectRefusal(single, signed(text, software_id), 400, 'invalid_client_metadata');
  });

  test('a statement without keys, which nobody can prove to be its software, is none', async () => {
    const software_id = randomUUID();
    const text = await ecosystem.statement({ software_id, software_jwks_endpoint: undefined });
    const own = { ...wanted(text), jwks: { keys: [ecosystem.softwareKey.publicJwk] } };
    await expectRefusal(single, () => sendRegistration(single, own), 400, 'invalid_client_metadata');
    await expectRefusal(single, signed(text, software_id), 400, 'invalid_client_metadata');
  });

  test('a client without a statement does not become another one of it', async () => {
    const own = { ...wanted(), jwks: { keys: [ecosystem.softwareKey.publicJwk] } };
    const body = await registered(sendRegistration(single, own));
    const request = await ecosystem.request(single, wanted(await ecosystem.statement()));
    await expectRefusal(single, () => put(body, request, single), 400, 'invalid_software_statement');
  });

  test('an update is taken as anywhere else', async () => {
    const software_id = randomUUID();
    const body = await registered(signed(await ecosystem.statement({ software_id }), software_id)());
    const contacts = ['a@tpp.example'];
    expect(await registered(put(body, { ...body, contacts }, single), 200)).toEqual({ ...body, contacts });
  });
});
