import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { jwsReader } from '../../../src/adapters/jose/jws-reader.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { expectRefusal, sendForm } from '../../support/http.ts';
import { testKey } from '../../support/jws.ts';
import { certificate, type SigningTpp, secretTpp, signingTpp, withCertificate } from '../../support/tpp.ts';

type Form = Record<string, string>;
/** The form parameters and the headers that authenticate, or try to. */
type Attempt = { form: Form; headers?: Form };

const SECRET = 'a+b c:d%25&=/ü"😀';
const SUBJECT = 'CN=TPP,O=Bank\\, Ltd,C=GB';
const key = testKey('ES256');
const keyThumbprint = jwsReader.publicKey(key.publicJwk).thumbprint;

let tested: TestEngine;
let post: { client_id: string; client_secret: string };
let disabled: { client_id: string; client_secret: string };
let basicId: string;
let tlsId: string;
let selfSignedId: string;
let signing: SigningTpp;

beforeAll(async () => {
  tested = await testEngine();
  post = await secretTpp(tested);
  disabled = await secretTpp(tested);
  await tested.disable(disabled.client_id);
  basicId = await tested.client({ token_endpoint_auth_method: 'client_secret_basic' }, SECRET);
  tlsId = await tested.client({ token_endpoint_auth_method: 'tls_client_auth', tls_client_auth_subject_dn: SUBJECT });
  const jwks = { keys: [key.publicJwk] };
  selfSignedId = await tested.client({ token_endpoint_auth_method: 'self_signed_tls_client_auth', jwks });
  signing = await signingTpp(tested);
});
afterAll(() => tested.close());

const basic = (user: string, password: string): Form => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});
const formEncoded = (text: string) => new URLSearchParams({ '': text }).toString().slice(1);
const shown = (content: Parameters<typeof certificate>[0]) => withCertificate(certificate(content));

const ownToken = ({ form, headers }: Attempt, path = '/oauth2/token') =>
  sendForm(tested, path, { ...form, grant_type: 'client_credentials', scope: 'openid accounts', login_hint: 'alice', token: 'x' }, headers);
const refuses = (attempt: Attempt, status = 401, error = 'invalid_client') => expectRefusal(tested, () => ownToken(attempt), status, error);

describe('a client is accepted', () => {
  test.each<[string, () => Attempt]>([
    ['by client_secret_post', () => ({ form: post })],
    ['by client_secret_basic, both parts form-encoded', () => ({ form: {}, headers: basic(formEncoded(basicId), formEncoded(SECRET)) })],
    ['by client_secret_basic beside its client_id', () => ({ form: { client_id: basicId }, headers: basic(basicId, formEncoded(SECRET)) })],
    ['by a certificate with its subject', () => ({ form: { client_id: tlsId }, headers: shown({ subject: SUBJECT }) })],
    [
      'by a self-signed certificate with its key',
      () => ({ form: { client_id: selfSignedId }, headers: shown({ chainTrusted: false, publicKeyThumbprint: keyThumbprint }) }),
    ],
  ])('%s', async (_name, attempt) => expect((await ownToken(attempt())).status).toBe(200));

  test('by client_secret_basic under a scheme in any case', async () => {
    const headers = { authorization: `bAsIc ${btoa(`${basicId}:${formEncoded(SECRET)}`)}` };
    expect((await ownToken({ form: {}, headers })).status).toBe(200);
  });
});

describe('tls_client_auth by a name of the certificate other than its subject', () => {
  const registered = (metadata: object) => tested.client({ token_endpoint_auth_method: 'tls_client_auth', ...metadata });

  test.each<[string, object, Parameters<typeof certificate>[0]]>([
    ['a DNS name', { tls_client_auth_san_dns: 'tpp.example' }, { sanDns: ['other.example', 'tpp.example'] }],
    ['a DNS name in capitals', { tls_client_auth_san_dns: 'TPP.Example' }, { sanDns: ['tpp.example'] }],
    ['a URI', { tls_client_auth_san_uri: 'https://tpp.example/a' }, { sanUri: ['https://tpp.example/a'] }],
    ['an IPv4 address', { tls_client_auth_san_ip: '192.0.2.7' }, { sanIp: ['192.0.2.7'] }],
    ['an IPv6 address in any spelling', { tls_client_auth_san_ip: '2001:DB8:0:0::7' }, { sanIp: ['2001:db8::7'] }],
    ['an email address', { tls_client_auth_san_email: 'ops@tpp.example' }, { sanEmail: ['ops@tpp.example'] }],
  ])('is accepted by %s', async (_name, metadata, content) => {
    const form = { client_id: await registered(metadata) };
    expect((await ownToken({ form, headers: shown(content) })).status).toBe(200);
    await refuses({ form, headers: shown({ ...content, chainTrusted: false }) });
    await refuses({ form, headers: shown({ subject: SUBJECT }) });
    await refuses({ form });
  });

  test.each<[string, object, Parameters<typeof certificate>[0]]>([
    ['a longer DNS name', { tls_client_auth_san_dns: 'tpp.example' }, { sanDns: ['a.tpp.example'] }],
    ['a wildcard', { tls_client_auth_san_dns: 'a.tpp.example' }, { sanDns: ['*.tpp.example'] }],
    [
      'a DNS name that stands as another kind',
      { tls_client_auth_san_dns: 'tpp.example' },
      { sanUri: ['tpp.example'], subject: 'CN=tpp.example' },
    ],
    ['a URI with another path', { tls_client_auth_san_uri: 'https://tpp.example/a' }, { sanUri: ['https://tpp.example/A'] }],
    ['another address', { tls_client_auth_san_ip: '192.0.2.7' }, { sanIp: ['192.0.2.70', '::ffff:192.0.2.7'] }],
    ['a certificate without addresses, where what is registered is none', { tls_client_auth_san_ip: 'x:y' }, { sanIp: [] }],
    ['another email address', { tls_client_auth_san_email: 'ops@tpp.example' }, { sanEmail: ['Ops@tpp.example'] }],
  ])('is refused by %s', async (_name, metadata, content) =>
    refuses({ form: { client_id: await registered(metadata) }, headers: shown(content) }),
  );
});

describe('a client is refused', () => {
  test.each<[string, () => Attempt]>([
    ['without authentication', () => ({ form: {} })],
    ['that is unknown', () => ({ form: { ...post, client_id: 'nobody' } })],
    ['that was disabled', () => ({ form: disabled })],
    ['with a wrong secret', () => ({ form: { ...post, client_secret: 'wrong' } })],
    ['with an empty secret', () => ({ form: { ...post, client_secret: '' } })],
    ['with the hash of its secret', () => ({ form: { ...post, client_secret: tested.ports.ids.hash(post.client_secret) } })],
    ['with the secret of another client', () => ({ form: { client_id: post.client_id, client_secret: SECRET } })],
    ['with a secret alone', () => ({ form: { client_secret: post.client_secret } })],
    ['with a client_id alone', () => ({ form: { client_id: post.client_id } })],
    [
      'with a client_id of another client beside its secret',
      () => ({ form: { client_id: post.client_id }, headers: basic(basicId, formEncoded(SECRET)) }),
    ],
  ])('%s', (_name, attempt) => refuses(attempt()));

  test.each<[string, () => Attempt]>([
    ['client_secret_basic by post', () => ({ form: { client_id: basicId, client_secret: SECRET } })],
    ['client_secret_post by basic', () => ({ form: {}, headers: basic(post.client_id, post.client_secret) })],
    ['client_secret_post by a certificate', () => ({ form: { client_id: post.client_id }, headers: shown({}) })],
    ['private_key_jwt by a secret', () => ({ form: { client_id: signing.clientId, client_secret: '' } })],
    ['private_key_jwt by basic', () => ({ form: {}, headers: basic(signing.clientId, '') })],
    [
      'private_key_jwt by a certificate with its key',
      () => ({
        form: { client_id: signing.clientId },
        headers: shown({ publicKeyThumbprint: jwsReader.publicKey(signing.key.publicJwk).thumbprint }),
      }),
    ],
    ['tls_client_auth by a secret', () => ({ form: { client_id: tlsId, client_secret: 's3cret' }, headers: shown({ subject: SUBJECT }) })],
  ])('that is registered for %s', (_name, attempt) => refuses(attempt()));

  test('that is registered for tls_client_auth or self_signed_tls_client_auth by an assertion', async () => {
    for (const clientId of [tlsId, selfSignedId]) {
      const form = signing.authenticatedBy(await signing.assertion({ iss: clientId, sub: clientId }, {}, key));
      await refuses({ form, headers: shown({ subject: SUBJECT, publicKeyThumbprint: keyThumbprint }) });
    }
  });

  test.each<[string, () => Form]>([
    ['no certificate', () => ({})],
    ['a certificate with another subject', () => shown({ subject: 'CN=TPP,O=Other,C=GB' })],
    ['a certificate with a longer subject', () => shown({ subject: `${SUBJECT},DC=x` })],
    ['a certificate without a subject', () => shown({ subject: '' })],
    ['a certificate that nobody vouches for', () => shown({ subject: SUBJECT, chainTrusted: false })],
  ])('by tls_client_auth with %s', (_name, headers) => refuses({ form: { client_id: tlsId }, headers: headers() }));

  test.each<[string, () => Form]>([
    ['no certificate', () => ({})],
    ['a certificate with another key', () => shown({ publicKeyThumbprint: jwsReader.publicKey(testKey('ES256').publicJwk).thumbprint })],
    ['a certificate with a key of an unknown kind', () => shown({ publicKeyThumbprint: null })],
  ])('by self_signed_tls_client_auth with %s', (_name, headers) => refuses({ form: { client_id: selfSignedId }, headers: headers() }));

  test.each<[string, string]>([
    ['without a colon', btoa('client')],
    ['without a client_id', btoa(':secret')],
    ['with a malformed escape', btoa('client:%zz')],
    ['that is no base64', '!!!'],
    ['that is empty', ''],
  ])('by Basic credentials %s', (_name, credentials) => refuses({ form: {}, headers: { authorization: `Basic ${credentials}` } }));

  test.each(['Bearer x', 'Digest x', 'DeviceProof x.y.z', 'x'])('by Authorization: %s', (authorization) =>
    refuses({ form: {}, headers: { authorization } }),
  );

  test.each(['Bearer', 'Basic2', ''])('by the credentials for Basic under the scheme %j', (scheme) =>
    refuses({ form: {}, headers: { authorization: `${scheme} ${btoa(`${basicId}:${formEncoded(SECRET)}`)}` } }),
  );

  test.each<[string, () => Attempt | Promise<Attempt>]>([
    ['by basic and post', () => ({ form: post, headers: basic(post.client_id, post.client_secret) })],
    ['by post and an assertion', async () => ({ form: { ...(await signing.authentication()), client_secret: 's3cret' } })],
    ['by basic and an assertion', async () => ({ form: await signing.authentication(), headers: basic(basicId, formEncoded(SECRET)) })],
    ['by an access token and post', () => ({ form: post, headers: { authorization: 'Bearer x' } })],
  ])('%s: in two ways at once', async (_name, attempt) => refuses(await attempt(), 400, 'invalid_request'));

  test.each(['/oauth2/ciba', '/oauth2/introspect', '/oauth2/revoke'])('at %s too', async (path) => {
    const attempts: Attempt[] = [
      { form: {} },
      { form: disabled },
      { form: { ...post, client_secret: 'wrong' } },
      { form: { client_id: tlsId }, headers: shown({}) },
    ];
    for (const attempt of attempts) await expectRefusal(tested, () => ownToken(attempt, path), 401, 'invalid_client');
  });

  test('in the same words, whatever is wrong', async () => {
    const attempts: Attempt[] = [
      { form: { ...post, client_id: 'nobody' } },
      { form: disabled },
      { form: { ...post, client_secret: 'wrong' } },
    ];
    const bodies = [];
    for (const attempt of attempts) bodies.push(await refuses(attempt));
    expect(new Set(bodies).size).toBe(1);
  });

  test('and told which scheme there is (RFC 6749, section 5.2)', async () => {
    const { headers } = await ownToken({ form: {}, headers: basic(basicId, 'wrong') });
    expect(headers.get('www-authenticate')).toMatch(/^Basic realm=/);
  });
});
