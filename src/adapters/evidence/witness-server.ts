import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { signatureLines } from '../../evidence/note.ts';
import type { NoteSigner, VerifierKey } from '../../evidence/note-key.ts';
import { SIZE_TYPE, submitted, WitnessRefusal } from '../../evidence/witness.ts';
import type { WitnessRecords } from './witness-records.ts';

const BODY_BYTES = 131_072;
const REQUEST_MS = 10_000;
const KEPT_MS = 75_000;
const CONNECTIONS = 256;
const TEXT = 'text/plain; charset=utf-8';

/** What a witness tells its operator: what it has cosigned, what is signed and does not go on from that, and why it could not answer. */
export type Told = { cosigned: string; size: number } | { refused: string; status: number; note: string } | { failed: unknown };

/** A witness over HTTP (C2SP tlog-witness): `POST /add-checkpoint`. */
export const witnessServer = (
  { logs, records, signer }: { logs: readonly VerifierKey[]; records: WitnessRecords; signer: NoteSigner },
  tell: (told: Told) => void,
): Server => {
  const cosign = (body: string): string => {
    const checkpoint = submitted(body, logs);
    const { origin, size, text, note } = checkpoint;
    try {
      records.advance(checkpoint);
    } catch (error) {
      // Signed by the log, and not what it has signed before: whoever runs the witness may want to show it.
      if (error instanceof WitnessRefusal && error.size === null) tell({ refused: origin, status: error.status, note });
      throw error;
    }
    tell({ cosigned: origin, size });
    return signatureLines(text, [signer])
      .map((line) => `${line}\n`)
      .join('');
  };

  const server = createServer({ requestTimeout: REQUEST_MS, keepAliveTimeout: KEPT_MS }, async (req, res) => {
    if (req.url !== '/add-checkpoint') return answer(res, 404, 'not found\n');
    if (req.method !== 'POST') return answer(res.setHeader('Allow', 'POST'), 405, 'only POST is answered here\n');
    try {
      const body = await bodyOf(req);
      if (body === null) return answer(res.setHeader('Connection', 'close'), 413, 'the body is too long\n');
      answer(res, 200, cosign(body));
    } catch (error) {
      if (error instanceof WitnessRefusal) return refuse(res, error);
      // Who went away before the end of the body waits for no answer.
      if (req.destroyed && !req.complete) return;
      tell({ failed: error });
      answer(res, 500, 'the checkpoint could not be kept\n');
    }
  });
  server.maxConnections = CONNECTIONS;
  return server;
};

const answer = (res: ServerResponse, status: number, body: string, type = TEXT) =>
  void res.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store' }).end(body);

const refuse = (res: ServerResponse, { status, size, message }: WitnessRefusal) =>
  size === null ? answer(res, status, `${message}\n`) : answer(res, status, `${size}\n`, SIZE_TYPE);

/** The body as text, or null where it is too long. */
const bodyOf = async (req: IncomingMessage): Promise<string | null> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Left open when it is too long: the answer goes the same way.
  for await (const chunk of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES) return null;
    chunks.push(chunk);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
  } catch (cause) {
    throw new WitnessRefusal(400, 'the body is not UTF-8', { cause });
  }
};
