import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { importSettings } from '../../src/cli/import-settings.ts';
import { loadConfig } from '../../src/config.ts';
import { temporaryFolder } from '../support/served.ts';

const CLI = join(import.meta.dirname, '../../src/cli.ts');
const ACCELERATOR = 'com.wso2.openbanking.accelerator';
const STEP = `${ACCELERATOR}.consent.extensions.authorize.impl`;

/** Every tag that the reference's page names, and what its own file has around them. */
const DEPLOYMENT = `
[server]
hostname = "bank.example"
offset = 3
node_ip = "127.0.0.1"

[super_admin]
username = "admin@bank.example"
password = "a-secret-password"

[database.identity_db]
url = "jdbc:mysql://localhost:3306/identity"
password = "another-secret"

[[resource.access_control]]
context = "(.*)/api/users/v1/me/push-auth/(.*)"
secure = "true"
http_method = "GET, HEAD, POST, PUT, DELETE, PATCH"
allowed_auth_handlers = ["BasicAuthentication", "OAuthAuthentication"]

[[resource.access_control]]
context = "(.*)/oauth2/ciba(.*)"
secure = "false"
http_method = "all"

[[resource.access_control]]
context = "(.*)/branch/opening-hours"
secure = "false"
http_method = "all"

[[oauth.custom_grant_type]]
name = "urn:openid:params:grant-type:ciba"
grant_handler = "org.wso2.carbon.identity.oauth.ciba.grant.CibaGrantHandler"
grant_validator = "org.wso2.carbon.identity.oauth.ciba.grant.CibaGrantValidator"
[oauth.custom_grant_type.properties]
IdTokenAllowed = true

[[oauth.custom_grant_type]]
name = "urn:bank:carrier-pigeon"

[[oauth.custom_response_type]]
name = "cibaAuthCode"
class = "org.wso2.carbon.identity.oauth.ciba.handlers.CibaResponseTypeHandler"
validator = "org.wso2.carbon.identity.oauth.ciba.handlers.CibaResponseTypeValidator"

[oauth.oidc.extensions]
ciba_request_object_validator = "${ACCELERATOR}.identity.auth.extensions.request.validator.OBCIBARequestObjectValidationExtension"
request_object_validator = "com.bank.OwnValidator"

[oauth.token_validation]
user_access_token_validity = 900

[open_banking.dcr]
jwks_url_sandbox = "https://keystore.example/sandbox.jwks"
jwks_url_production = "https://keystore.example/production.jwks"
validator = "${ACCELERATOR}.identity.dcr.validation.DefaultRegistrationValidatorImpl"

[[open_banking.dcr.regulatory_issuers.iss]]
name = "OpenBanking Ltd"

[open_banking.dcr.registration.scope]
required = true
allowed_values = ["accounts", "payments"]

[open_banking.dcr.registration.application_type]
required = true

[[open_banking.consent.authorize_steps.retrieve]]
class = "${STEP}.NonRegulatoryConsentStep"
priority = 1

[[open_banking.consent.authorize_steps.retrieve]]
class = "${STEP}.CIBAConsentRetrievalStep"
priority = 2

[[open_banking.consent.authorize_steps.retrieve]]
class = "${STEP}.DefaultConsentRetrievalStep"
priority = 3

[[open_banking.consent.authorize_steps.persist]]
class = "${STEP}.CIBAConsentPersistStep"
priority = 1

[[open_banking.consent.authorize_steps.persist]]
class = "${STEP}.DefaultConsentPersistStep"
priority = 2

[open_banking.sca.primaryauth]
name = "BasicAuthenticator"
display = "basic"

[open_banking.sca.idp]
name = "CIBA-Push-Auth"

[open_banking.event.notifications]
token_issuer = "www.bank.example"
number_of_sets_to_return = 7
event_creation_handler = "${ACCELERATOR}.event.notifications.service.handler.DefaultEventCreationServiceHandler"

[open_banking.event.notifications.realtime]
enable = true

[open_banking.coffee]
machine = "on"
`;

const run = (deployment: string, ...options: string[]) => {
  const folder = temporaryFolder();
  const file = join(folder, 'deployment.toml');
  writeFileSync(file, deployment);
  const countersign = (...args: string[]) =>
    spawnSync(process.execPath, [CLI, ...args], { encoding: 'utf8', cwd: folder, timeout: 60_000 });
  return { folder, countersign, ...countersign('import-settings', file, ...options) };
};
const linesOf = (report: string): [string, string, string][] =>
  report
    .trim()
    .split('\n')
    .map((line) => line.replace(/^# /, '').split(/ {2,}/) as [string, string, string]);

describe('countersign import-settings', () => {
  test('writes settings that the engine reads, with a line for each tag', () => {
    const { folder, countersign, status, stdout, stderr } = run(DEPLOYMENT, '--out', 'countersign.toml');
    expect([status, stderr]).toEqual([0, '']);
    const shown = countersign('config', 'show');
    expect([shown.status, shown.stderr]).toEqual([0, '']);
    const { config } = loadConfig({ env: {}, cwd: folder });
    expect(config).toMatchObject({
      issuer: 'https://bank.example:9446',
      server: { port: 9446, mtlsPort: 9447 },
      registration: {
        enabled: true,
        profile: 'wso2-compat',
        sandboxJwksUrl: 'https://keystore.example/sandbox.jwks',
        productionJwksUrl: 'https://keystore.example/production.jwks',
        statementIssuers: ['OpenBanking Ltd'],
        requiredMembers: ['scope'],
      },
      authentication: { codeFlow: ['basic'], ciba: ['push'] },
      consent: {
        authorizeSteps: {
          retrieve: [
            { name: 'non-regulatory', priority: 1 },
            { name: 'ciba-retrieval', priority: 2 },
            { name: 'default-retrieval', priority: 3 },
          ],
          persist: [
            { name: 'ciba-persist', priority: 1 },
            { name: 'default-persist', priority: 2 },
          ],
        },
      },
      tokens: { accessTokenSeconds: 900 },
      eventNotifications: { setsPerPoll: 7, callbacks: true },
    });
    const outcomes = linesOf(stdout).map(([outcome, tag]) => [tag, outcome]);
    expect(outcomes).toEqual([
      ['server', 'taken over'],
      ['super_admin', 'not needed'],
      ['database', 'not needed'],
      ['resource.access_control (.*)/api/users/v1/me/push-auth/(.*)', 'not needed'],
      ['resource.access_control (.*)/oauth2/ciba(.*)', 'not needed'],
      ['resource.access_control (.*)/branch/opening-hours', 'unknown'],
      ['oauth.custom_grant_type urn:openid:params:grant-type:ciba', 'not needed'],
      ['oauth.custom_grant_type urn:bank:carrier-pigeon', 'unknown'],
      ['oauth.custom_response_type cibaAuthCode', 'not needed'],
      ['oauth.oidc.extensions.ciba_request_object_validator', 'not needed'],
      ['oauth.oidc.extensions.request_object_validator', 'unknown'],
      ['oauth.token_validation.user_access_token_validity', 'taken over'],
      ['open_banking.dcr.jwks_url_sandbox', 'taken over'],
      ['open_banking.dcr.jwks_url_production', 'taken over'],
      ['open_banking.dcr.validator', 'not needed'],
      ['open_banking.dcr.regulatory_issuers.iss', 'taken over'],
      ['open_banking.dcr.registration', 'taken over'],
      ['open_banking.consent.authorize_steps.retrieve', 'taken over'],
      ['open_banking.consent.authorize_steps.persist', 'taken over'],
      ['open_banking.sca.primaryauth.name', 'taken over'],
      ['open_banking.sca.primaryauth.display', 'not needed'],
      ['open_banking.sca.idp.name', 'taken over'],
      ['open_banking.event.notifications.token_issuer', 'not needed'],
      ['open_banking.event.notifications.number_of_sets_to_return', 'taken over'],
      ['open_banking.event.notifications.event_creation_handler', 'not needed'],
      ['open_banking.event.notifications.realtime', 'taken over'],
      ['open_banking.coffee.machine', 'unknown'],
    ]);
    for (const [, , why] of linesOf(stdout)) expect(why).toMatch(/./);
    for (const secret of ['a-secret-password', 'another-secret']) {
      expect(stdout).not.toContain(secret);
      expect(readFileSync(join(folder, 'countersign.toml'), 'utf8')).not.toContain(secret);
    }
  });

  test('writes settings that the engine reads in production too, with what production asks for beside them', () => {
    const { folder, status } = run(DEPLOYMENT, '--out', 'countersign.toml');
    const inProduction = {
      COUNTERSIGN_ENVIRONMENT: 'production',
      COUNTERSIGN_TLS_CERTIFICATE_FILE: '/run/tls.pem',
      COUNTERSIGN_TLS_KEY_FILE: '/run/tls.key',
      COUNTERSIGN_PSU_DIRECTORY_FILE: '/etc/psus.json',
      COUNTERSIGN_KEYS_MASTER_FILE: '/run/master.key',
    };
    expect(status).toBe(0);
    const { config } = loadConfig({ env: inProduction, cwd: folder });
    expect(config).toMatchObject({ environment: 'production', registration: { profile: 'wso2-compat', requireSoftwareStatement: true } });
  });

  test('prints them as a file with the lines as its comments where no file is named', () => {
    const { folder, stdout } = run(DEPLOYMENT);
    expect(existsSync(join(folder, 'countersign.toml'))).toBe(false);
    writeFileSync(join(folder, 'countersign.toml'), stdout);
    expect(loadConfig({ env: {}, cwd: folder }).config.issuer).toBe('https://bank.example:9446');
    expect(linesOf(stdout)[0]).toEqual(['taken over', 'server', 'issuer, server.port, server.mtls_port']);
  });

  test('takes what newer versions write, and leaves out what can be no setting of ours', () => {
    const newer = DEPLOYMENT.replaceAll('open_banking.', 'financial_services.').replace('"https://keystore.example/sandbox.jwks"', '42');
    const { folder, status, stdout } = run(
      newer.replace(`${STEP}.NonRegulatoryConsentStep`, 'com.bank.OwnStep'),
      '--out',
      'countersign.toml',
    );
    expect(status).toBe(0);
    const { config } = loadConfig({ env: {}, cwd: folder });
    expect([config.registration.sandboxJwksUrl, config.registration.productionJwksUrl]).toEqual([
      null,
      'https://keystore.example/production.jwks',
    ]);
    const unknown = linesOf(stdout)
      .filter(([outcome]) => outcome === 'unknown')
      .map(([, tag]) => tag);
    expect(unknown).toEqual(
      expect.arrayContaining(['financial_services.dcr.jwks_url_sandbox', 'financial_services.consent.authorize_steps.retrieve']),
    );
    expect(config.consent.authorizeSteps.persist.map(({ priority }) => priority)).toEqual([1, 2]);
  });

  /** The outcomes of the lines, by their tags, and what the settings say. */
  const read = async (deployment: string) => {
    const folder = temporaryFolder();
    const [file, out] = [join(folder, 'deployment.toml'), join(folder, 'countersign.toml')];
    writeFileSync(file, deployment);
    const printed: string[] = [];
    await importSettings(file, out, (line) => printed.push(line));
    const outcomes = Object.fromEntries(linesOf(printed.join('\n')).map(([outcome, tag]) => [tag, outcome]));
    return { outcomes, config: loadConfig({ env: {}, cwd: folder }).config, text: readFileSync(out, 'utf8') };
  };
  const KEYS = '[open_banking.dcr]\njwks_url_production = "https://keystore.example/production.jwks"\n';

  test('takes over every issuer of software statements, or none', async () => {
    const issuers = async (toml: string) => {
      const { outcomes, config, text } = await read(`${KEYS}${toml}`);
      return [
        outcomes['open_banking.dcr.regulatory_issuers.iss'],
        config.registration.statementIssuers,
        text.includes('statement_issuers'),
      ];
    };
    const list = (value: string) => issuers(`[open_banking.dcr.regulatory_issuers]\niss = ${value}\n`);
    expect(await list('["OpenBanking Ltd", "Another"]')).toEqual(['taken over', ['OpenBanking Ltd', 'Another'], true]);
    expect(await list('"OpenBanking Ltd"')).toEqual(['taken over', ['OpenBanking Ltd'], true]);
    expect(await list('[{ name = "OpenBanking Ltd" }, "Another"]')).toEqual(['taken over', ['OpenBanking Ltd', 'Another'], true]);
    for (const none of ['[]', '[""]', '["OpenBanking Ltd", 42]', '[{ id = "OpenBanking Ltd" }]', '42'])
      expect([none, ...(await list(none))]).toEqual([none, 'unknown', [], false]);
  });

  test('takes no class of somebody else for one of the reference’s', async () => {
    const step = (list: string, name: string) => `[[open_banking.consent.authorize_steps.${list}]]\nclass = "${name}"\npriority = 1\n`;
    const foreign = [
      'com.bank.DefaultConsentRetrievalStep',
      'com.wso2.bank.sample.DefaultConsentRetrievalStep',
      'DefaultConsentRetrievalStep',
    ];
    for (const name of foreign) {
      const { outcomes, text } = await read(step('retrieve', name));
      expect([name, outcomes, text.trim()]).toEqual([name, { 'open_banking.consent.authorize_steps.retrieve': 'unknown' }, '']);
    }
    expect((await read(step('persist', 'com.bank.DefaultConsentPersistStep'))).outcomes).toEqual({
      'open_banking.consent.authorize_steps.persist': 'unknown',
    });
    expect((await read(step('retrieve', `${STEP}.DefaultConsentRetrievalStep`))).outcomes).toEqual({
      'open_banking.consent.authorize_steps.retrieve': 'taken over',
    });
  });

  test('takes booleans in quotes, and URLs of keys that are https', async () => {
    const { config, outcomes } = await read(
      `[open_banking.event.notifications.realtime]\nenable = "true"\n[open_banking.dcr.registration.scope]\nrequired = "true"\n` +
        `[open_banking.dcr]\njwks_url_sandbox = "http://keystore.example/jwks"\njwks_url_production = "https://keystore.example/jwks"\n`,
    );
    expect([config.eventNotifications.callbacks, config.registration.requiredMembers]).toEqual([true, ['scope']]);
    expect([outcomes['open_banking.dcr.jwks_url_sandbox'], config.registration.sandboxJwksUrl]).toEqual(['unknown', null]);
  });

  test('reports also what the engine would refuse, and writes no file', () => {
    const refusing = '[open_banking.consent]\nconsent_id_claim_name = "scope"\n[server]\nhostname = "bank.example"\n';
    const { folder, status, stdout, stderr } = run(refusing, '--out', 'countersign.toml');
    expect([status, stderr]).toEqual([1, expect.stringContaining('tokens.consent_id_claim')]);
    expect(linesOf(stdout).map(([outcome, tag]) => [tag, outcome])).toEqual([
      ['open_banking.consent.consent_id_claim_name', 'taken over'],
      ['server', 'taken over'],
    ]);
    expect(existsSync(join(folder, 'countersign.toml'))).toBe(false);
  });

  test('says what it cannot read, and leaves a file alone that is there', () => {
    const broken = run('[server]\nhostname = “bank.example”\n');
    expect([broken.status, broken.stderr]).toEqual([1, expect.stringMatching(/^countersign: .*deployment\.toml:2: /)]);
    const { folder, countersign } = run(DEPLOYMENT);
    writeFileSync(join(folder, 'countersign.toml'), '# mine\n');
    const { status, stderr } = countersign('import-settings', 'deployment.toml', '--out', 'countersign.toml');
    expect([status, stderr]).toEqual([1, 'countersign: countersign.toml cannot be written: it is there already, or its folder is not\n']);
    expect(readFileSync(join(folder, 'countersign.toml'), 'utf8')).toBe('# mine\n');
  });

  test('reads an empty file as no settings', () => {
    const { status, folder, stdout } = run('', '--out', 'countersign.toml');
    expect([status, stdout.trim()]).toEqual([0, '']);
    expect(loadConfig({ env: {}, cwd: folder }).config.server.port).toBe(9446);
  });
});
