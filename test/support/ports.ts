import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

// Below the ports a system gives to calls that go out (from 32768 on, or higher): a server that is started
// again finds its own port as it left it. Each jest worker takes from a range of its own.
const RANGE = 2_500;
const FIRST = 10_240 + (Number(process.env['JEST_WORKER_ID'] ?? 0) % 8) * RANGE;
const given = new Set<number>();

/** A port of the loopback address that nobody listens on, another one each time. */
export const freePort = async (): Promise<number> => {
  for (;;) {
    const port = FIRST + randomInt(RANGE);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
};

const isFree = async (port: number): Promise<boolean> => {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  await new Promise((resolve) => server.close(resolve));
  return true;
};
