import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { sharedPsuKeys } from '../../src/adapters/shared/psu-keys.ts';
import { inMemoryRecords } from '../../src/adapters/shared/records.ts';
import { accountsIn, askForEnrolment, enrol, type Phone } from '../../src/demo/phone.ts';
import type { EventStore } from '../../src/domain/ports/event-store.ts';
import type { Ports } from '../../src/engine.ts';
import { erasedPsu } from '../../src/projections/psu-data.ts';
import { nodesOwn, type TestEngine } from '../support/engine.ts';
import { secretTpp } from '../support/tpp.ts';

/** Resolves when the condition holds; the test's own time is the limit. */
export const until = async (holds: () => unknown): Promise<void> => {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
};

/** An operator's client that may have PSUs erased. */
export const eraserOf = async (tested: TestEngine) => {
  const auth = await secretTpp(tested, {
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: ['client_credentials'],
    scope: 'psus:erase',
  });
  const authorization = `Basic ${Buffer.from(`${auth.client_id}:${auth.client_secret}`).toString('base64')}`;
  const call = async (method: 'GET' | 'POST', psuId: string, body?: object, through: TestEngine = tested) => {
    const response = await fetch(`${through.url}/admin/v1/psus/${encodeURIComponent(psuId)}/erasure`, {
      method,
      headers: { authorization, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  return {
    authorization,
    call,
    erase: (psuId: string, through?: TestEngine) => call('POST', psuId, { reason: 'case 4711' }, through),
  };
};

/** Resolves when every key of the PSU is destroyed, as this engine has heard. */
export const destroyed = (tested: TestEngine, psuId: string): Promise<void> =>
  until(() => erasedPsu(tested.ports.rows, psuId)?.destroyedAt != null);

export const enrolled = async (tested: Pick<TestEngine, 'url'>, username = 'alice', pushToken = 'push-token'): Promise<Phone> =>
  enrol(fetch, await askForEnrolment(fetch, tested.url, { username, password: username }), { pushToken });

/** The PSU approves on the phone. */
export const approve = async (phone: Phone, requestId: string): Promise<void> => {
  const shown = await phone.retrieve(requestId);
  await phone.send(shown.request_id, await phone.sign(shown, 'approved', accountsIn(shown)));
};

/** The ports of so many nodes over one log and the keys beside it; only the first is on duty. */
export const nodePorts = (count: number, store: EventStore = inMemoryEventStore()): Partial<Ports>[] => {
  const records = inMemoryRecords();
  return Array.from({ length: count }, () => {
    const keys = sharedPsuKeys(records, Buffer.alloc(32, 5));
    return { store: nodesOwn(keys.keysFirst(store)), sealer: keys };
  });
};
