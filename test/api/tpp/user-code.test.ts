import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { filePsuDirectory } from '../../../src/adapters/psu-directory/file.ts';
import { hashPassword } from '../../../src/adapters/psu-directory/password.ts';
import { OAuthError } from '../../../src/domain/oauth-error.ts';
import { type StandingClock, standingClock } from '../../support/clock.ts';
import { type TestEngine, testEngine } from '../../support/engine.ts';
import { expectRefusal, sendForm } from '../../support/http.ts';
import { secretTpp } from '../../support/tpp.ts';

type Form = Record<string, string>;

let time: StandingClock;
let tested: TestEngine;
let tpp: Form;
let unregistered: Form;
beforeAll(async () => {
  time = standingClock();
  const psu = (username: string, code: object) => ({ psu_id: `psu-${username}`, username, password_hash: '', ...code, accounts: [] });
  const file = join(mkdtempSync(join(tmpdir(), 'countersign-')), 'psus.json');
  const psus = [
    psu('alice', { user_code_hash: await hashPassword('2468') }),
    psu('carol', { user_code_hash: await hashPassword('1357') }),
    psu('bob', {}),
  ];
  writeFileSync(file, JSON.stringify({ psus }));
  const settings = { COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '1000000' };
  tested = await testEngine({ clock: time.clock, directory: await filePsuDirectory(file) }, settings);
  tpp = await secretTpp(tested, { backchannel_user_code_parameter: true });
  unregistered = await secretTpp(tested);
});
afterAll(() => tested.close());

const send = (form: Form, client: Form = tpp) => sendForm(tested, '/oauth2/ciba', { ...client, scope: 'openid', ...form });
const refuses = (form: Form, error: string) => expectRefusal(tested, () => send(form), 400, error);
const accepts = async (form: Form, client?: Form) => expect((await send(form, client)).status).toBe(200);

describe('a PSU with a user code', () => {
  test('is asked by who knows it', () => accepts({ login_hint: 'alice', user_code: '2468' }));
  test('is not asked without it', () => refuses({ login_hint: 'alice' }, 'missing_user_code'));
  test('is not asked with another', () => refuses({ login_hint: 'alice', user_code: '1357' }, 'invalid_user_code'));
  test('is asked without it by a client that is not registered for it', () => accepts({ login_hint: 'alice' }, unregistered));
});

test('a PSU without a user code is asked with and without one', async () => {
  await accepts({ login_hint: 'bob' });
  for (let time = 0; time < 7; time += 1) await accepts({ login_hint: 'bob', user_code: 'anything' });
});

describe('guesses', () => {
  test('end after five wrong ones, over all clients, for 15 minutes and that PSU alone', async () => {
    const other = await secretTpp(tested, { backchannel_user_code_parameter: true });
    const guesses = Array.from({ length: 12 }, (_, n) => send({ login_hint: 'carol', user_code: `${n}` }, n % 2 === 0 ? tpp : other));
    const errors = (await Promise.all((await Promise.all(guesses)).map((response) => response.json()))) as { error: string }[];
    // The sixth is told nothing else than the first, right or wrong.
    expect(new Set(errors.map((body) => JSON.stringify(body)))).toEqual(
      new Set([JSON.stringify({ error: 'invalid_user_code', error_description: 'user_code is wrong' })]),
    );
    await refuses({ login_hint: 'carol', user_code: '1357' }, 'invalid_user_code');
    await accepts({ login_hint: 'alice', user_code: '2468' });
    time.pass(900);
    await accepts({ login_hint: 'carol', user_code: '1357' });
  });

  test('that are right cost nothing', async () => {
    for (let round = 0; round < 8; round += 1) await accepts({ login_hint: 'alice', user_code: '2468' });
  });
});

test('codes that the directory could not look at are no guesses', async () => {
  const { directory } = tested.ports;
  let isAway = true;
  const userCodeFits: typeof directory.userCodeFits = async (...args) => {
    if (isAway) throw new OAuthError('temporarily_unavailable', 'the directory is away');
    return directory.userCodeFits(...args);
  };
  const away = await testEngine({ directory: { ...directory, userCodeFits } });
  const client = await secretTpp(away, { backchannel_user_code_parameter: true });
  const statusOf = async (user_code: string) =>
    (await sendForm(away, '/oauth2/ciba', { ...client, scope: 'openid', login_hint: 'alice', user_code })).status;
  const statuses = [];
  for (let time = 0; time < 7; time += 1) statuses.push(await statusOf('2468'));
  isAway = false;
  for (const code of ['1', '2', '3', '4', '2468', '5', '2468']) statuses.push(await statusOf(code));
  await away.close();
  expect(statuses).toEqual([...Array(7).fill(503), 400, 400, 400, 400, 200, 400, 400]);
});

test('a request that a wrong code refuses takes no place of those that may wait', async () => {
  const small = await testEngine({ directory: tested.ports.directory }, { COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '2' });
  const client = await secretTpp(small, { backchannel_user_code_parameter: true });
  const statusOf = async (user_code: string) =>
    (await sendForm(small, '/oauth2/ciba', { ...client, scope: 'openid', login_hint: 'alice', user_code })).status;
  const statuses = [];
  for (const code of ['1', '2', '3', '2468', '2468', '2468']) statuses.push(await statusOf(code));
  await small.close();
  expect(statuses).toEqual([400, 400, 400, 200, 200, 403]);
});
