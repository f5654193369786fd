import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { kurrentdbShared } from '../../../src/adapters/shared/kurrentdb.ts';
import type { News } from '../../../src/domain/ports/news.ts';
import { type KurrentdbCluster, kurrentdbCluster } from '../../support/kurrentdb-server/cluster.ts';
import { metadataOf } from '../../support/kurrentdb-server/log.ts';
import { settingsFor } from '../../support/kurrentdb-server/settings.ts';
import { hearing, newsContract, until } from './news.contract.ts';

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

let shared: KurrentdbCluster;
beforeAll(async () => {
  shared = await kurrentdbCluster({ nodes: 3 });
});
afterAll(() => shared.stop());

newsContract('in KurrentDB', () => newsIn(shared));

describe('news in KurrentDB', () => {
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
