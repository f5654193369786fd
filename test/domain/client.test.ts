import { describe, expect, test } from '@jest/globals';
import { activeClient, client, disable, register, replaceOwn } from '../../src/domain/client/decider.ts';
import type { ClientFact } from '../../src/domain/client/events.ts';
import { type ClientMetadata, clientMetadata } from '../../src/domain/client/metadata.ts';
import { expectRefusal, given, stateOf } from '../support/given.ts';

const metadata = clientMetadata.parse({
  client_name: 'A TPP',
  profile: 'plain',
  token_endpoint_auth_method: 'private_key_jwt',
  jwks: { keys: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y' }] },
});
const withSecret: ClientMetadata = { ...metadata, token_endpoint_auth_method: 'client_secret_basic' };
const renamed: ClientMetadata = { ...metadata, client_name: 'Another name' };
const forbidden: ClientMetadata = { ...withSecret, profile: 'fapi-ciba' };

const registered: ClientFact = { type: 'ClientRegistered', data: { metadata, secretHash: null, at: 1000, registrationTokenHash: null } };
const registeredWithSecret: ClientFact = {
  type: 'ClientRegistered',
  data: { metadata: withSecret, secretHash: 'hash', at: 1000, registrationTokenHash: null },
};
const replacedBy = (given: ClientMetadata): ClientFact => ({ type: 'ClientMetadataReplaced', data: { metadata: given, at: 1010 } });
const disabled: ClientFact = { type: 'ClientDisabled', data: { at: 1020 } };

describe('a client is registered', () => {
  test('with its metadata', () =>
    given(client)
      .when(register(metadata, null, 1000))
      .then(registered));
  test('with the hash of its secret, where it has one', () =>
    given(client)
      .when(register(withSecret, 'hash', 1000))
      .then(registeredWithSecret));
  test('under a client_id that nobody ever had', () => {
    given(client, registered)
      .when(register(metadata, null, 1000))
      .refuses('conflict');
    given(client, registered, disabled)
      .when(register(metadata, null, 1000))
      .refuses('conflict');
  });
  test('not with a secret that it does not use', () =>
    given(client)
      .when(register(metadata, 'hash', 1000))
      .refuses('invalid_client_metadata'));
  test('not without a secret that it needs', () => {
    const posting: ClientMetadata = { ...withSecret, token_endpoint_auth_method: 'client_secret_post' };
    given(client)
      .when(register(withSecret, null, 1000))
      .refuses('invalid_client_metadata');
    given(client)
      .when(register(posting, null, 1000))
      .refuses('invalid_client_metadata');
  });
  test('with openid where its profile implies that, whoever registers it', () => {
    const reference: ClientMetadata = { ...metadata, profile: 'wso2-compat', scope: 'accounts payments' };
    const implied: ClientMetadata = { ...reference, scope: 'openid accounts payments' };
    const factOf = (given: ClientMetadata): ClientFact => ({
      type: 'ClientRegistered',
      data: { metadata: given, secretHash: null, at: 1000, registrationTokenHash: null },
    });
    given(client)
      .when(register(reference, null, 1000))
      .then(factOf(implied));
    // One that was registered before that was so gains it by its next update.
    given(client, factOf(reference))
      .when(replaceOwn(() => implied, 1010))
      .then(replacedBy(implied));
    given(client)
      .when(register({ ...reference, profile: 'plain' }, null, 1000))
      .then(factOf({ ...reference, profile: 'plain' }));
  });
  test('not with what its profile forbids', () =>
    given(client)
      .when(register(forbidden, 'hash', 1000))
      .refuses('invalid_client_metadata'));
});

describe("a client's metadata is replaced", () => {
  const replace = (wanted: ClientMetadata) => replaceOwn(() => wanted, 1010);

  test('while it is active', () => given(client, registered).when(replace(renamed)).then(replacedBy(renamed)));
  test('not before it exists', () => given(client).when(replace(renamed)).refuses('invalid_token'));
  test('not once it was disabled', () => given(client, registered, disabled).when(replace(renamed)).refuses('invalid_token'));
  test('not with what its profile forbids', () => {
    const boundTwice: ClientMetadata = {
      ...metadata,
      tls_client_certificate_bound_access_tokens: true,
      dpop_bound_access_tokens: true,
    };
    given(client, registered).when(replace(boundTwice)).refuses('invalid_client_metadata');
  });
  test('not by a method that needs a secret, when it has none', () =>
    given(client, registered).when(replace(withSecret)).refuses('invalid_client_metadata'));
  test('and its secret stays', () => {
    given(client, registeredWithSecret).when(replace(metadata)).then(replacedBy(metadata));
    given(client, registeredWithSecret, replacedBy(metadata)).when(replace(withSecret)).then(replacedBy(withSecret));
  });
});

describe('a client is disabled', () => {
  test('for ever', () => given(client, registered).when(disable(1020)).then(disabled));
  test('once', () => given(client, registered, disabled).when(disable(1021)).then());
  test('not before it exists', () => given(client).when(disable(1020)).refuses('not_found'));
});

describe('a client may be given something', () => {
  test('while it is active, with its newest metadata', () =>
    expect(activeClient(stateOf(client, registeredWithSecret, replacedBy(renamed)))).toEqual({
      status: 'active',
      metadata: renamed,
      secretHash: 'hash',
      registrationTokenHash: null,
      registeredAt: 1000,
    }));
  test('not before it exists', () => expectRefusal(() => activeClient(stateOf(client)), 'invalid_client'));
  test('not once it was disabled', () => expectRefusal(() => activeClient(stateOf(client, registered, disabled)), 'invalid_client'));
});
