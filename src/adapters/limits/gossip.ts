import { defer, retry, Subscription, tap, timer } from 'rxjs';
import type { Clock } from '../../domain/ports/clock.ts';
import type { Limits } from '../../domain/ports/limits.ts';
import type { News, NewsPage } from '../../domain/ports/news.ts';
import type { LocalLimits } from './local.ts';
import { heardBatch, tellEach } from './news-batch.ts';
import { makeTeller } from './teller.ts';

const AGAIN_MS = 1000;

interface Deps {
  clock: Clock;
  onFault(what: string, error: unknown): void;
}

/**
 * The limits of one of many nodes: exact within it, and every node takes over what the others tell, at most 100 ms and the latency of the
 * news later. Resolves when all that still counts was heard; closes the local limits with itself.
 */
export const gossipingLimits = async (
  local: LocalLimits,
  news: News,
  { clock, onFault }: Deps,
): Promise<Limits & { close(): Promise<void> }> => {
  const { origin } = local;
  const faulty = (error: unknown) => onFault('news of limits', error);
  const teller = makeTeller({ origin, news, clock, onFault: faulty });
  local.tell(teller);

  const hear = (one: unknown) => {
    const batch = heardBatch(one, origin);
    if (batch !== null) tellEach(batch, local.hear);
  };
  const pages = defer(() => news.follow()).pipe(
    tap((page) => page.news.forEach(hear)),
    retry({
      delay(error) {
        faulty(error);
        return timer(AGAIN_MS);
      },
    }),
  );
  const hearing = new Subscription();
  const close = async () => {
    await teller.stop();
    hearing.unsubscribe();
    local.close();
  };
  const heard = new Promise<void>((resolve, reject) => {
    const next = ({ caughtUp }: NewsPage) => caughtUp && resolve();
    hearing.add(pages.subscribe({ next, complete: () => reject(new Error('the news ended before all of them were heard')) }));
  });
  await heard.catch(async (error) => {
    await close();
    throw error;
  });
  return { ...local, close };
};
