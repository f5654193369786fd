import { systemClock, systemIds } from '../adapters/clock.ts';
import type { Config } from '../config.ts';
import { makeDecide, makeLoad } from '../domain/decide.ts';
import type { EventStore } from '../domain/ports/event-store.ts';
import {
  OUR_ALGS,
  type OurAlg,
  publish,
  replaceAtOnce,
  type SigningKey,
  type SigningKeys,
  signingKey,
} from '../domain/signing-key/decider.ts';
import { keyPolicy } from '../engine.ts';
import { openToRead, withLog } from './log.ts';
import { table } from './table.ts';

/** Prints the signing keys that are published, also while an engine runs. */
export const listKeys = async (config: Config, print: (line: string) => void): Promise<void> => {
  const log = await openToRead(config);
  try {
    const keys = await recordedKeys(log);
    const rows = OUR_ALGS.flatMap((alg) => keys[alg].filter(({ status }) => status !== 'removed').map((key) => row(alg, key)));
    print(rows.length === 0 ? 'no key was published yet' : table(rows));
  } finally {
    await log.close();
  }
};

const row = (alg: OurAlg, { kid, status, usableFrom, activatedAt, publishedUntil }: SigningKey): string[] => {
  const [word, moment] = {
    next: ['signs from', usableFrom],
    active: ['signs since', activatedAt],
    retired: ['published until', publishedUntil],
    removed: ['', null],
  }[status] as [string, number | null];
  return [alg, kid, status, `${word} ${new Date((moment ?? 0) * 1000).toISOString()}`];
};

/**
 * Publishes the next signing keys: the engine, when it runs again, signs with them as soon as everybody can have seen them.
 * `now`: they sign at once and the others no more, also when the private parts of those are lost. `stolen`: nothing that those signed is
 * believed any more, either.
 */
export const rotateKeys = (config: Config, how: { now: boolean; stolen: boolean }, print: (line: string) => void): Promise<void> => {
  const { stolen } = how;
  const now = how.now || stolen;
  return withLog(config, ENGINE_RUNS, async ({ store, sealer, signer }) => {
    const at = systemClock();
    const by = { at, policy: keyPolicy(config) };
    signer.follow(await recordedKeys(store), at);
    const decide = makeDecide({ store, sealer, ids: systemIds });
    for (const alg of OUR_ALGS) {
      const key = await signer.offer(alg);
      const { eventIds } = await decide(
        signingKey,
        alg,
        now ? replaceAtOnce(key, { ...by, stolen }) : publish(key, { ...by, early: true }),
        {
          ...{ id: systemIds.uuid(), actor: { kind: 'operator', id: 'command-line' } as const },
          ...{ correlationId: `signing-keys-${alg}`, causationId: null },
        },
      );
      if (eventIds.length === 0) print(`${alg}: a key is published already and waits for its turn`);
      else print(`${alg}: ${key.kid} ${now ? 'signs from now on' : 'is published'}`);
    }
  });
};

const ENGINE_RUNS = 'an engine is running: send it SIGUSR2 and it rotates its keys by itself, or stop it first';

const recordedKeys = async (store: EventStore): Promise<Record<OurAlg, SigningKeys>> => {
  const load = makeLoad(store);
  return { ES256: await load(signingKey, 'ES256'), PS256: await load(signingKey, 'PS256') };
};
