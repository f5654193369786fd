import { Observable, Subject } from 'rxjs';
import type { News } from '../../src/domain/ports/news.ts';

/** News of nodes that run in one process, as JSON texts. */
export interface NewsBus {
  /** How long a publication takes to be kept and heard; 0 at first. */
  latencyMs: number;
  /** Whether publications are refused. */
  down: boolean;
  /** Everything that was published, with the seconds that it is to be kept for. */
  published: { text: string; seconds: number }[];
  news: News;
  /** Lets every node hear this. */
  say(text: string): void;
}

export const newsBus = (): NewsBus => {
  const kept = new Subject<string>();
  const bus: NewsBus = {
    latencyMs: 0,
    down: false,
    published: [],
    news: {
      async publish(news, seconds) {
        const text = JSON.stringify(news);
        if (bus.latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, bus.latencyMs));
        if (bus.down) throw new Error('the news are down');
        bus.published.push({ text, seconds });
        kept.next(text);
      },
      follow: () =>
        new Observable((subscriber) => {
          subscriber.add(kept.subscribe((text) => subscriber.next({ news: [JSON.parse(text)], caughtUp: true })));
          subscriber.next({ news: bus.published.map(({ text }) => JSON.parse(text)), caughtUp: true });
        }),
    },
    say: (text) => kept.next(text),
  };
  return bus;
};
