import { once } from 'node:events';
import type { RequestListener, ServerResponse } from 'node:http';
import { outboundClient } from '../../src/adapters/outbound/outbound.ts';
import type { Outbound } from '../../src/domain/ports/outbound.ts';
import { startHttp, startHttps, testIdentity } from '../adapters/outbound/hosts.ts';

/** One call that a TPP's endpoint got. */
export interface Notified {
  method: string | undefined;
  path: string | undefined;
  contentType: string | undefined;
  authorization: string | undefined;
  text: string;
  /** What JSON says; empty for anything else. */
  body: Record<string, unknown>;
}

/** What an endpoint does with a call. One that answers nothing keeps it waiting. */
export type Behaviour = (res: ServerResponse, call: Notified) => unknown;

export const status =
  (code: number, headers: Record<string, string> = {}): Behaviour =>
  (res) =>
    res.writeHead(code, headers).end();
export const cut: Behaviour = (res) => res.socket?.destroy();
export const silent: Behaviour = () => undefined;
export const endless: Behaviour = (res) => {
  res.writeHead(200);
  const more = () => {
    if (!res.destroyed) res.write('x'.repeat(4096), () => setImmediate(more));
  };
  more();
};

/** The notification endpoint of a TPP, over TLS unless it is `plain`, and an outbound client that may call it. */
export interface NotificationEndpoint {
  url: string;
  outbound: Outbound;
  calls: readonly Notified[];
  /** From now on the calls meet these in turn, and the last of them for ever; 204 until then. */
  behaves(...behaviours: Behaviour[]): void;
  /** The nth call, as soon as it has come. */
  call(n: number): Promise<Notified>;
  close(): Promise<void>;
}

export const notificationEndpoint = async ({
  timeoutMs = 5000,
  plain = false,
}: {
  timeoutMs?: number;
  plain?: boolean;
} = {}): Promise<NotificationEndpoint> => {
  const identity = await testIdentity();
  const calls: Notified[] = [];
  const waiting = new Set<() => void>();
  let behaviours: Behaviour[] = [status(204)];
  const listener: RequestListener = async (req, res) => {
    const chunks: Buffer[] = [];
    req.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(req, 'end');
    const text = Buffer.concat(chunks).toString();
    const { method, url: path, headers } = req;
    const contentType = headers['content-type'];
    const body = contentType === 'application/json' ? JSON.parse(text) : {};
    const call = { method, path, contentType, authorization: headers.authorization, text, body };
    calls.push(call);
    const behave = (behaviours.length > 1 ? behaviours.shift() : behaviours[0]) as Behaviour;
    for (const look of waiting) look();
    await behave(res, call);
  };
  const host = plain ? await startHttp(listener) : await startHttps(identity, listener);
  return {
    url: `${plain ? 'http' : 'https'}://localhost:${host.port}/cb`,
    outbound: outboundClient({ development: true, ca: identity.ca, allowedHosts: [`localhost:${host.port}`], timeoutMs }),
    calls,
    behaves(...given) {
      behaviours = given;
    },
    call: (n) =>
      new Promise((resolve) => {
        const look = () => {
          const call = calls[n - 1];
          if (call === undefined) return;
          waiting.delete(look);
          resolve(call);
        };
        waiting.add(look);
        look();
      }),
    close: () => host.close(),
  };
};
