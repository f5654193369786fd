import type { RequestListener } from 'node:http';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ownService } from '../../../src/adapters/outbound/own-service.ts';
import { httpsPsuDirectory } from '../../../src/adapters/psu-directory/https.ts';
import { OAuthError } from '../../../src/domain/oauth-error.ts';
import type { PsuDirectory } from '../../../src/domain/ports/psu-directory.ts';
import { type Host, startHttp } from '../outbound/hosts.ts';

const ALICE = { psu_id: 'psu-1', username: 'alice', given_name: 'Alice', family_name: null };
const faults: string[] = [];
const asked: unknown[] = [];
let behaviour: RequestListener | null = null;
let host: Host;
let directory: PsuDirectory;

/** A directory of the bank, with one PSU whose password is her name. */
const bank: RequestListener = async (req, res) => {
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  const question = JSON.parse(Buffer.concat(chunks).toString());
  asked.push([req.method, req.url, req.headers.authorization]);
  const reply = (found: boolean, body: object) => res.writeHead(found ? 200 : 404).end(JSON.stringify(found ? body : {}));
  const known = question.psu_id === 'psu-1';
  if (req.url === '/psus/find') reply(question.login_hint === 'alice', ALICE);
  else if (req.url === '/psus/name') reply(known, ALICE);
  else if (req.url === '/psus/authenticate') reply(question.username === 'alice' && question.password === 'alice', ALICE);
  else if (req.url === '/psus/user-code') reply(known, { result: [undefined, '1234'].includes(question.user_code) });
  else reply(known, { accounts: [{ account_id: 'a-1', display_name: 'Current account' }] });
};

beforeAll(async () => {
  host = await startHttp((req, res) => (behaviour ?? bank)(req, res));
  const url = `http://127.0.0.1:${host.port}/psus`;
  const outbound = ownService(url, 300);
  directory = httpsPsuDirectory({ url, token: 'bank-secret', outbound, onFault: (what) => faults.push(what) });
});
afterAll(() => host.close());

describe('the directory of the bank', () => {
  test('knows its PSU', async () => {
    expect(await directory.findByHint('alice')).toBe('psu-1');
    expect(await directory.exists('psu-1')).toBe(true);
    expect(await directory.nameOf('psu-1')).toEqual({ username: 'alice', givenName: 'Alice', familyName: null });
    expect(await directory.authenticate('alice', 'alice')).toBe('psu-1');
    expect(await directory.hasUserCode('psu-1')).toBe(true);
    expect(await directory.userCodeFits('psu-1', '1234')).toBe(true);
    expect(await directory.accounts('psu-1')).toEqual([{ accountId: 'a-1', displayName: 'Current account' }]);
  });

  test('knows nobody else', async () => {
    expect(await directory.findByHint('bob')).toBeNull();
    expect(await directory.exists('psu-2')).toBe(false);
    expect(await directory.nameOf('psu-2')).toBeNull();
    expect(await directory.authenticate('alice', 'wrong')).toBeNull();
    expect(await directory.hasUserCode('psu-2')).toBe(false);
    expect(await directory.userCodeFits('psu-1', '0000')).toBe(false);
    expect(await directory.accounts('psu-2')).toEqual([]);
  });

  test('says by an empty text that somebody has no such name', async () => {
    behaviour = (_req, res) => res.end(JSON.stringify({ ...ALICE, given_name: '' }));
    expect(await directory.nameOf('psu-1')).toEqual({ username: 'alice', givenName: null, familyName: null });
    behaviour = null;
  });

  test('is asked in the body, with the bearer token: no name and no password stands in a URL', () => {
    expect(new Set(asked.map((call) => JSON.stringify(call)))).toEqual(
      new Set(
        ['find', 'name', 'authenticate', 'user-code', 'accounts'].map((path) =>
          JSON.stringify(['POST', `/psus/${path}`, 'Bearer bank-secret']),
        ),
      ),
    );
  });

  test('that names an account twice has not answered', async () => {
    const account = { account_id: 'a-1', display_name: 'Current account' };
    behaviour = (_req, res) => res.end(JSON.stringify({ accounts: [account, { ...account, display_name: 'Savings' }] }));
    await expect(directory.accounts('psu-1')).rejects.toThrow(OAuthError);
    behaviour = null;
  });

  const WRONG: [string, RequestListener][] = [
    ['answers 500', (_req, res) => res.writeHead(500).end()],
    ['wants another token', (_req, res) => res.writeHead(401).end()],
    ['answers no JSON', (_req, res) => res.end('<html>')],
    ['leaves the PSU out', (_req, res) => res.end('{}')],
    ['names a PSU whom the log cannot hold', (_req, res) => res.end(JSON.stringify({ psu_id: 'two words' }))],
    ['cuts the connection', (req) => req.socket.destroy()],
    ['is late', () => undefined],
  ];
  test.each(WRONG)('that %s is no answer: try again, and the operator is told', async (_what, answer) => {
    behaviour = answer;
    faults.length = 0;
    const refusal = await directory.findByHint('alice').catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(OAuthError);
    expect(refusal).toMatchObject({ error: 'temporarily_unavailable' });
    expect((refusal as Error).message).not.toMatch(/127|alice/);
    expect(faults).toEqual(['PSU directory /find']);
    behaviour = null;
  });
});
