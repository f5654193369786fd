import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { authorizeUrl, pkce } from '../support/redirecting.ts';
import { type Served, served } from '../support/served.ts';

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

let engine: Served;
let tpp: Server;
let browser: Browser;
let callback: string;
let landing: string;
let clientId: string;
const { verifier, parameters: challenge } = pkce();

/** A TPP whose callback sends the browser on to another origin, as many do. */
const startTpp = async (): Promise<void> => {
  const inTls = (name: string) => readFileSync(`${engine.config.dataDir}/tls/${name}`, 'utf8');
  tpp = createServer({ cert: inTls('server.pem'), key: inTls('server.key') }, (req, res) => {
    const url = new URL(req.url ?? '/', callback);
    if (url.pathname === '/callback') res.writeHead(302, { location: `${landing}${url.search}` }).end();
    else res.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>The TPP</title><h1>Welcome back</h1>');
  }).listen(0);
  await once(tpp, 'listening');
  const { port } = tpp.address() as AddressInfo;
  callback = `https://localhost:${port}/callback`;
  landing = `https://127.0.0.1:${port}/landing`;
};

beforeAll(async () => {
  if (!existsSync(CHROMIUM)) throw new Error(`there is no browser at ${CHROMIUM}: name one in CHROMIUM`);
  engine = await served();
  await startTpp();
  clientId = await engine.client(
    {
      client_name: 'Browser TPP',
      profile: 'plain',
      token_endpoint_auth_method: 'client_secret_post',
      tls_client_certificate_bound_access_tokens: false,
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code', 'code id_token'],
      redirect_uris: [callback],
    },
    's3cret',
  );
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
}, 120_000);
afterAll(async () => {
  await browser?.close();
  tpp?.close();
  await engine?.serving.close();
});

/** A window at the sign-in page; what the browser complains of is collected. */
const arrive = async (change: Record<string, string> = {}): Promise<{ page: Page; context: BrowserContext; complaints: string[] }> => {
  const context = await browser.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: false });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => void (message.type() === 'error' && complaints.push(message.text())));
  const request = {
    client_id: clientId,
    response_type: 'code',
    redirect_uri: callback,
    scope: 'openid accounts',
    state: 'state',
    nonce: 'nonce',
  };
  await page.goto(engine.config.issuer + authorizeUrl({ ...request, ...challenge, ...change }));
  return { page, context, complaints };
};

const signIn = async (page: Page) => {
  const [alice] = engine.serving.sandbox?.psus ?? [];
  await page.getByLabel('User name').fill(alice?.username ?? '');
  await page.getByLabel('Password').fill(alice?.password ?? '');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Do you allow Browser TPP to do this?' }).waitFor();
};

describe('in a real browser, without scripts', () => {
  test('a PSU signs in, chooses an account, approves, and is back at the TPP, wherever that sends them', async () => {
    const { page, context, complaints } = await arrive();
    await signIn(page);
    await page.getByRole('checkbox').first().check();
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.waitForURL(`${landing}?**`);
    expect(await page.getByRole('heading').textContent()).toBe('Welcome back');
    const answer = Object.fromEntries(new URL(page.url()).searchParams);
    expect(answer).toEqual({ code: expect.any(String), state: 'state', iss: engine.config.issuer });
    const { trustingFetch } = await import('../../src/demo/trusting-fetch.ts');
    const form = { grant_type: 'authorization_code', code: answer['code'] ?? '', redirect_uri: callback, code_verifier: verifier };
    const response = await trustingFetch(readFileSync(`${engine.config.dataDir}/tls/ca.pem`, 'utf8'))(
      `${engine.config.issuer}/oauth2/token`,
      {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ client_id: clientId, client_secret: 's3cret', ...form }).toString(),
      },
    );
    expect(response.status).toBe(200);
    expect(complaints).toEqual([]);
    await context.close();
  }, 60_000);

  test('a PSU denies', async () => {
    const { page, context } = await arrive();
    await signIn(page);
    await page.getByRole('button', { name: 'Deny' }).click();
    await page.waitForURL(`${landing}?**`);
    expect(new URL(page.url()).searchParams.get('error')).toBe('access_denied');
    await context.close();
  }, 60_000);

  test('an answer in the fragment arrives as one', async () => {
    const { page, context } = await arrive({ response_type: 'code id_token' });
    await signIn(page);
    await page.getByRole('checkbox').first().check();
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.waitForURL(`${landing}**`);
    expect([...new URLSearchParams(new URL(page.url()).hash.slice(1)).keys()].sort()).toEqual(['code', 'id_token', 'iss', 'state']);
    await context.close();
  }, 60_000);

  test('a wrong password is told, and what was typed is still there but the password', async () => {
    const { page, context } = await arrive();
    await page.getByLabel('User name').fill('alice');
    await page.getByLabel('Password').fill('wrong');
    await page.getByLabel('Password').press('Enter');
    await page.getByRole('alert').waitFor();
    expect(await page.getByLabel('User name').inputValue()).toBe('alice');
    expect(await page.getByLabel('Password').inputValue()).toBe('');
    await context.close();
  }, 60_000);

  test('the secret of the browser is out of reach of pages and of plain http', async () => {
    const { page, context } = await arrive();
    const [cookie] = await context.cookies();
    expect(cookie).toMatchObject({ httpOnly: true, secure: true, sameSite: 'Lax', path: '/', domain: 'localhost' });
    await signIn(page);
    const [after] = await context.cookies();
    expect(after?.name).toBe(cookie?.name);
    expect(after?.value).not.toBe(cookie?.value);
    await context.close();
  }, 60_000);
});
