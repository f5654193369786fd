import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../src/adapters/clock.ts';
import { dpopProof } from '../support/dpop.ts';
import { signJws, testKey } from '../support/jws.ts';
import { ask, type Form, inTurn, type Nodes, nodesOver, pollOf, type ServedNode, until, type Way } from '../support/nodes.ts';
import { ASSERTION_TYPE } from '../support/tpp.ts';

const USES = 20;
const PATH = '/oauth2/token';

let nodes: Nodes;
let env: Form;
let one: ServedNode;
let two: ServedNode;
let tpp: Form;
beforeAll(async () => {
  nodes = await nodesOver({ COUNTERSIGN_CIBA_INTERVAL_SECONDS: '30' }, { nodes: 3 });
  env = await nodes.environment();
  [one, two] = await Promise.all([nodes.serve(), nodes.serve({ env })]);
  tpp = await nodes.client();
});
afterAll(async () => {
  await nodes.close();
  expect([one, two].map(({ faults }) => faults)).toEqual([[], []]);
});

/** How many uses and polls the nodes have told in the cluster. */
const told = (): number =>
  nodes.cluster.log
    .all()
    .filter(({ stream }) => stream.startsWith('countersign.news-'))
    .map(({ data }) => JSON.parse(Buffer.from(data).toString()))
    .reduce((sum, { used, polled }) => sum + used.length + polled.length, 0);

/** Something that counts once: how it is made, and whether a node lets it count. */
interface CountsOnce<T> {
  make(): Promise<T>;
  use(at: Way, made: T): Promise<boolean>;
}

/** Some that have counted at the first node, and of which the second one has heard. */
const usedAtOne = async <T>({ make, use }: CountsOnce<T>): Promise<readonly T[]> => {
  const useAtOne = async (some: readonly T[]) => {
    const before = told();
    for (const made of some) expect(await use(one, made)).toBe(true);
    await until(() => told() >= before + some.length);
  };
  const some = await Promise.all(Array.from({ length: USES }, make));
  await useAtOne(some);
  // Nodes hear in the order in which it was told: who knows a later one knows all before it. None of them is shown to the second node here.
  await until(async () => {
    const later = await make();
    await useAtOne([later]);
    return !(await use(two, later));
  });
  return some;
};

const used = async <T>({ use }: CountsOnce<T>, at: Way, some: readonly T[]): Promise<readonly T[]> => {
  const counted: T[] = [];
  for (const made of some) if (await use(at, made)) counted.push(made);
  return counted;
};

describe('what was used at one node is refused at another that has heard of it: of many, each', () => {
  test('client assertion', async () => {
    const key = testKey('ES256');
    const { client_id } = await nodes.client({ token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [key.publicJwk] } });
    const assertions: CountsOnce<string> = {
      async make() {
        const at = systemClock();
        return signJws(key, { iss: client_id, sub: client_id, aud: nodes.issuer, jti: randomUUID(), iat: at, exp: at + 60 });
      },
      async use({ post }, assertion) {
        const form = { client_assertion_type: ASSERTION_TYPE, client_assertion: assertion, grant_type: 'client_credentials' };
        const { status, body } = await post(PATH, form);
        if (status !== 200) expect(body.error).toBe('invalid_client');
        return status === 200;
      },
    };
    expect(await used(assertions, two, await usedAtOne(assertions))).toEqual([]);
  });

  test('poll, which is too early there', async () => {
    const polls: CountsOnce<string> = {
      make: async () => (await ask(inTurn(nodes, [one, two]), tpp)).authReqId,
      async use({ post }, authReqId) {
        const { error } = (await post(PATH, pollOf(tpp, authReqId))).body;
        if (error !== 'authorization_pending') expect(error).toBe('slow_down');
        return error === 'authorization_pending';
      },
    };
    expect(await used(polls, two, await usedAtOne(polls))).toEqual([]);
  });

  test('DPoP proof, also where that one has started again or is new', async () => {
    const key = testKey('ES256');
    const bound = await nodes.client({ dpop_bound_access_tokens: true });
    const proofs: CountsOnce<string> = {
      make: () => dpopProof({ url: nodes.issuer, ports: { clock: systemClock } }, key, PATH),
      async use({ post }, DPoP) {
        const { status, body } = await post(PATH, { ...bound, grant_type: 'client_credentials' }, { DPoP });
        if (status !== 200) expect(body.error).toBe('invalid_dpop_proof');
        return status === 200;
      },
    };
    const [some, its] = [await usedAtOne(proofs), await proofs.make()];
    expect(await used(proofs, two, [its])).toEqual([its]);
    expect(await used(proofs, two, some.slice(0, USES / 2))).toEqual([]);
    await two.close();
    for (const later of [await nodes.serve({ env }), await nodes.serve()]) expect(await used(proofs, later, [...some, its])).toEqual([]);
  });
});
