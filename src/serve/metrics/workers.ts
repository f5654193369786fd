import { AggregatorRegistry, type MetricObject, type MetricObjectWithValues, type MetricValue, type Registry } from 'prom-client';

/** What one process has counted, as another one can be told it. */
export type Page = MetricObjectWithValues<MetricValue<string>>[];

const merged = (pages: readonly Page[]): Registry => AggregatorRegistry.aggregate(pages as unknown as MetricObject[]);

/** The pages of workers: the newest of each, and what those had counted that are gone, so that no count goes back. */
export const pagesOfWorkers = () => {
  const pages = new Map<number, Page>();
  let gone: Page = [];

  return {
    take: (worker: number, page: Page) => void pages.set(worker, page),
    /** The worker has ended, and its number never comes back. All at once: whoever asks finds its counts in one place. */
    bury(worker: number): void {
      const counted = (pages.get(worker) ?? []).filter(({ type }) => `${type}` !== 'gauge');
      pages.delete(worker);
      gone = merged([gone, counted]).getMetricsAsArray() as unknown as Page;
    },
    /** One page of all of them and this process's own. */
    with: (own: Page): Promise<string> => merged([own, gone, ...pages.values()]).metrics(),
  };
};
