// The server that the tests of the KurrentDB adapter run against, in a process of its own. It prints `ready <connection string>`.
import { kurrentdbCluster } from '../test/support/kurrentdb-server/cluster.ts';
import { answerRunner } from './measure.ts';

const { connectionString } = await kurrentdbCluster();
answerRunner({});
console.log(`ready ${connectionString}`);
