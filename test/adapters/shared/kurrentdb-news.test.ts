import { afterEach, describe, expect, test } from '@jest/globals';
import { kurrentdbShared } from '../../../src/adapters/shared/kurrentdb.ts';
import type { News } from '../../../src/domain/ports/news.ts';
import { type KurrentdbCluster, kurrentdbCluster } from '../../support/kurrentdb-server/cluster.ts';
import { metadataOf } from '../../support/kurrentdb-server/log.ts';
import { settingsFor } from '../../support/kurrentdb-server/settings.ts';

const opened: { close(): unknown }[] = [];
afterEach(() => {
  for (const one of opened.splice(0).reverse()) one.close();
});

const clusterAt = async (now: () => number = Date.now): Promise<KurrentdbCluster> => {
  const cluster = await kurrentdbCluster({ nodes: 3, now });
  opened.push({ close: cluster.stop });
  return cluster;
};
const newsIn = ({ connectionString }: KurrentdbCluster, deadlineMs = 5000): News => {
  const shared = kurrentdbShared(settingsFor(connectionString, { deadlineMs }), { kept: [60, 600] });
  opened.push(shared);
  return shared.news;
};
/** What a node hears: before the border, and in all. */
const hearing = (news: News) => {
  const heard = { before: null as readonly unknown[] | null, all: [] as unknown[], ended: false, failure: null as unknown };
  news.follow().subscribe({
    next({ news: some, caughtUp }) {
      heard.all.push(...some);
      if (caughtUp) heard.before ??= [...heard.all];
    },
    error(failure) {
      heard.failure = failure;
    },
    complete() {
      heard.ended = true;
    },
  });
  return heard;
};
const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
};

describe('news in KurrentDB', () => {
  test('are heard by everybody, and by those who start later', async () => {
    const cluster = await clusterAt();
    const nodes = [newsIn(cluster), newsIn(cluster)] as const;
    const heard = nodes.map(hearing);
    await until(() => heard.every(({ before }) => before !== null));
    expect(heard.map(({ before }) => before)).toEqual([[], []]);
    await nodes[0].publish({ n: 1 }, 60);
    await nodes[1].publish({ n: 2 }, 600);
    await nodes[0].publish({ n: 3 }, 60);
    await until(() => heard.every(({ all }) => all.length === 3));
    const late = hearing(newsIn(cluster));
    await until(() => late.before !== null);
    expect(new Set(late.before)).toEqual(new Set([{ n: 1 }, { n: 2 }, { n: 3 }]));
  });

  test('are all heard by one that starts while others tell, however many there are', async () => {
    const cluster = await clusterAt();
    const news = newsIn(cluster);
    const tell = (n: number) => news.publish({ n }, n % 2 === 0 ? 60 : 600);
    for (let n = 0; n < 2100; n += 100) await Promise.all(Array.from({ length: 100 }, (_, more) => tell(n + more)));
    const heard = hearing(newsIn(cluster));
    for (let n = 2100; n < 2200; n += 1) await tell(n);
    const numbers = () => new Set(heard.all.map((one) => (one as { n: number }).n));
    await until(() => heard.failure !== null || numbers().size === 2200);
    expect(heard.failure).toBeNull();
    expect((heard.before?.length ?? 0) >= 2100).toBe(true);
  });

  test('are told and heard where another program has said who may read them', async () => {
    const cluster = await clusterAt();
    metadataOf(cluster, 'countersign.news-60', { $acl: { $r: 'engine' } });
    const news = newsIn(cluster);
    await news.publish({ n: 1 }, 60);
    const heard = hearing(news);
    await until(() => heard.before !== null);
    expect(heard.before).toEqual([{ n: 1 }]);
  });

  test('are forgotten after their time', async () => {
    let now = Date.now();
    const cluster = await clusterAt(() => now);
    const news = newsIn(cluster);
    await news.publish({ n: 1 }, 60);
    await news.publish({ n: 2 }, 600);
    now += 61_000;
    const heard = hearing(newsIn(cluster));
    await until(() => heard.before !== null);
    expect(heard.before).toEqual([{ n: 2 }]);
  });

  test('go on after connections were lost, the leader changed, and a subscription fell silent', async () => {
    const cluster = await clusterAt();
    const news = newsIn(cluster, 500);
    const heard = hearing(newsIn(cluster, 500));
    await until(() => heard.before !== null);
    const goesOn = async (n: number) => {
      await news.publish({ n }, 60);
      await until(() => heard.all.some((one) => (one as { n: number }).n === n));
    };
    await cluster.node.loseConnections();
    await goesOn(1);
    cluster.elect(cluster.nodes[1] ?? null);
    await goesOn(2);
    cluster.nodes[1]?.mute();
    await goesOn(3);
  });

  test('end with their connection', async () => {
    const cluster = await clusterAt();
    const shared = kurrentdbShared(settingsFor(cluster.connectionString), { kept: [60] });
    const heard = hearing(shared.news);
    await until(() => heard.before !== null);
    shared.close();
    expect(heard.ended).toBe(true);
  });
});
