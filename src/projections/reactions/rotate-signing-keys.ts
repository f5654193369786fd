import { defer, EMPTY, filter, retry, switchMap, timer } from 'rxjs';
import type { Decide, Decided } from '../../domain/decide.ts';
import type { Clock, Ids } from '../../domain/ports/clock.ts';
import type { Actor } from '../../domain/ports/event-store.ts';
import type { Rows } from '../../domain/ports/rows.ts';
import type { Signer } from '../../domain/ports/signer.ts';
import { activate, dueStep, type KeyPolicy, OUR_ALGS, type OurAlg, publish, remove, signingKey } from '../../domain/signing-key/decider.ts';
import type { Projections } from '../runner.ts';
import { findSigningKeys, SIGNING_KEY_CHANGES } from '../signing-keys.ts';
import type { Reaction } from './runner.ts';

const AGAIN_MS = 1000;

interface Deps {
  decide: Decide;
  rows: Rows;
  signer: Signer;
  clock: Clock;
  ids: Ids;
  policy: KeyPolicy;
  projections: Projections;
  onFault(error: unknown): void;
  algs?: readonly OurAlg[];
}

/** The signing keys of a running engine. */
export interface Rotation {
  /** Time → the next step in the life of a key: published, used, retired, removed. */
  reaction: Reaction;
  /** Publishes the next key of each algorithm now, where none waits yet. */
  rotate(actor: Actor): Promise<void>;
  stop(): void;
}

/** Makes the signer follow the log, and takes the steps that are due: afterwards there is a key for each algorithm. */
export const startRotation = async (deps: Deps): Promise<Rotation> => {
  const { decide, rows, signer, clock, ids, policy, projections, onFault, algs = OUR_ALGS } = deps;
  const command = (alg: OurAlg, actor: Actor) => ({ id: ids.uuid(), actor, correlationId: `signing-keys-${alg}`, causationId: null });
  const engine: Actor = { kind: 'engine', id: 'rotate-signing-keys' };

  const take = async (alg: OurAlg, step: NonNullable<ReturnType<typeof dueStep>>): Promise<Decided<unknown>> => {
    const by = { at: clock(), policy };
    if (step === 'publish') return decide(signingKey, alg, publish(await signer.offer(alg), by), command(alg, engine));
    return decide(signingKey, alg, step === 'activate' ? activate(by) : remove(by.at), command(alg, engine));
  };
  const due = () =>
    algs.flatMap((alg) => {
      const step = dueStep(findSigningKeys(rows, alg), clock(), policy);
      return step === null ? [] : [{ key: `${alg} ${step}`, act: () => take(alg, step) }];
    });

  const recorded = () => ({ ES256: findSigningKeys(rows, 'ES256'), PS256: findSigningKeys(rows, 'PS256') });
  const missing = () => {
    const keys = recorded();
    const wanted = algs.flatMap((alg) => keys[alg]).filter(({ status }) => status === 'next' || status === 'active');
    return wanted.map(({ kid }) => kid).filter((kid) => !signer.holds(kid));
  };
  const follow = async () => {
    // The rows go on meanwhile: a key that another node has published by then is asked for as well.
    const asked = new Set<string>();
    const unasked = () => missing().filter((kid) => !asked.has(kid));
    for (let kids = unasked(); kids.length > 0; kids = unasked()) {
      await signer.load(kids);
      for (const kid of kids) asked.add(kid);
    }
    signer.follow(recorded(), clock());
    const [lost] = missing();
    if (lost !== undefined) throw new SigningKeyMissing(lost);
  };

  await follow();
  for (let steps = due(); steps.length > 0; steps = due()) {
    for (const { act } of steps) await projections.reached((await act()).position);
    await follow();
  }
  // What could not be brought here at this moment is asked for again, for nothing else reminds of it.
  const following = defer(follow).pipe(
    retry({
      delay(error) {
        onFault(error);
        return error instanceof SigningKeyMissing ? EMPTY : timer(AGAIN_MS);
      },
    }),
  );
  const changes = projections.applied.pipe(filter(({ types }) => SIGNING_KEY_CHANGES.some((type) => types.has(type))));
  const watch = changes.pipe(switchMap(() => following)).subscribe({ error: () => undefined });
  // What another node did between the last look and this subscription.
  await follow();

  return {
    reaction: { name: 'rotate-signing-keys', after: SIGNING_KEY_CHANGES, due },
    async rotate(actor) {
      for (const alg of algs)
        await decide(signingKey, alg, publish(await signer.offer(alg), { at: clock(), policy, early: true }), command(alg, actor));
    },
    stop: () => watch.unsubscribe(),
  };
};

/** The log says to sign with a key whose private part is not here. */
export class SigningKeyMissing extends Error {
  constructor(kid: string) {
    super(
      `the private part of the signing key ${kid} is not in the keys directory: put it back, or stop the engine and give up the lost key with \`countersign keys rotate --now\``,
    );
    this.name = 'SigningKeyMissing';
  }
}
