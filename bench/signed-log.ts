import type { KeyObject } from 'node:crypto';
import { systemIds } from '../src/adapters/clock.ts';
import { inMemoryEventStore } from '../src/adapters/event-store/in-memory.ts';
import type { StoredEvent } from '../src/domain/ports/event-store.ts';
import type { Sealer } from '../src/domain/ports/sealer.ts';
import { type Answering, type Cast, CLIENT, ceremony, type Deciding, deciding, openNewLog } from './ceremony-log.ts';
import { signEs256 } from './es256.ts';
import { enrol, newPhone, type Phone, registerClient } from './parties.ts';

const START = 1_790_000_000;
const AT_ONCE = 500;
const PADDING = 'what was shown, about as long as a real one '.repeat(12);

/** What a phone of the PSU shows and signs. */
const signing = ({ requestId, deviceId, accountId, at }: Cast, privateKey: KeyObject): Answering => ({
  shown: JSON.stringify({
    ...{ accounts: [{ account_id: accountId, display_name: 'Account' }], binding_message: 'Payment 1', client: { client_id: CLIENT } },
    ...{ consent: null, request_id: requestId, salt: systemIds.secret(), scope: 'openid accounts', text: PADDING },
  }),
  jws(over) {
    const claims = { aud: 'https://bank.example', request_id: requestId, device_id: deviceId, ...over };
    const answered = { verdict: 'approved', exp: at + 60, account_ids: [accountId] };
    return signEs256({ typ: 'consent-answer+jwt', kid: deviceId }, { ...claims, ...answered }, privateKey);
  },
});

/**
 * Writes a log of as many ceremonies, each decided and signed for itself, into a new file, and tells of each event. Gives how many there are.
 */
export const writeSignedLog = async (
  file: string,
  sealer: Sealer,
  { count, psus }: { count: number; psus: number },
  told: (event: StoredEvent) => void,
): Promise<number> => {
  const log = openNewLog(file);
  // A store of their own for some at a time: the log in the file is what is kept of them.
  const writeDecided = async (at: number, decideAll: (by: Deciding) => Promise<void>) => {
    const some = deciding(inMemoryEventStore({ now: () => at * 1000 }), sealer);
    await decideAll(some);
    for (const event of await some.store.readAll(0, Number.MAX_SAFE_INTEGER)) told(log.write(event));
  };
  const phones = Array.from({ length: psus }, (_, n) => newPhone(`psu-${n}`));
  await writeDecided(START, async ({ decide }) => {
    const jwks = { keys: [{ kty: 'EC' as const, crv: 'P-256', x: 'x', y: 'y' }] };
    await registerClient(decide, { clientId: CLIENT }, { token_endpoint_auth_method: 'private_key_jwt', jwks }, START);
    for (const phone of phones) await enrol(decide, phone, { at: START, pushToken: 'token' });
  });
  for (let n = 0; n < count; n += AT_ONCE) {
    const at = START + n;
    await writeDecided(at, async (some) => {
      for (let k = n; k < Math.min(n + AT_ONCE, count); k += 1) {
        const { psuId, deviceId, keyThumbprint, privateKey } = phones[k % psus] as Phone;
        const requestId = at.toString(36).padStart(8, '0') + systemIds.secret();
        const cast = { requestId, psuId, deviceId, keyThumbprint, accountId: 'account-1', at };
        await ceremony(some, cast, signing(cast, privateKey));
      }
    });
  }
  return log.close();
};
