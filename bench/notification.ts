import { once } from 'node:events';
import { createServer } from 'node:https';

/** Where pings arrive, and the certificate that the servers under test trust (by NODE_EXTRA_CA_CERTS). */
export interface NotificationEndpoint {
  port: number;
  certificate: string;
  key: string;
}

const LATEST_MS = 10_000;

/** The TPP's endpoint for pings, on TLS with connections kept alive. Answers how to wait for the ping of one request. */
export const openNotificationEndpoint = async ({
  port,
  certificate,
  key,
}: NotificationEndpoint): Promise<(authReqId: string) => Promise<void>> => {
  const early = new Set<string>();
  const waiting = new Map<string, () => void>();
  const server = createServer({ cert: certificate, key, keepAliveTimeout: 75_000 }, (req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    req.on('end', () => {
      const { auth_req_id: authReqId } = JSON.parse(Buffer.concat(chunks).toString()) as { auth_req_id: string };
      res.writeHead(204).end();
      const arrived = waiting.get(authReqId);
      if (arrived === undefined) early.add(authReqId);
      else arrived();
      waiting.delete(authReqId);
    });
  }).listen(port, '127.0.0.1');
  await once(server, 'listening');
  return (authReqId) =>
    new Promise((resolve, reject) => {
      if (early.delete(authReqId)) return resolve();
      const late = setTimeout(() => reject(new Error('a ping did not arrive in time')), LATEST_MS);
      waiting.set(authReqId, () => {
        clearTimeout(late);
        resolve();
      });
    });
};
