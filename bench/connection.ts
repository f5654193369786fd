import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** The body is a view of what was received: read it before the next send. */
export interface Answer {
  status: number;
  body: Buffer;
}

const NOTHING = Buffer.alloc(0);
const LINE_END = '\r\n';
const HEAD_END = '\r\n\r\n';
const LARGEST_ANSWER = 1 << 20;
const PATIENCE_MS = 10_000;

/** A request as the text to send. Header names and values are taken as they stand. */
export const get = (path: string, headers: Record<string, string> = {}): string => render('GET', path, headers, '');

/** The same with a body of ASCII characters; a form unless the headers say otherwise. */
export const post = (path: string, body: string, headers: Record<string, string> = FORM): string =>
  render('POST', path, { ...headers, 'content-length': `${body.length}` }, body);

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

const render = (method: string, path: string, headers: Record<string, string>, body: string): string => {
  let head = `${method} ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n`;
  for (const name in headers) head += `${name}: ${headers[name]}\r\n`;
  return `${head}\r\n${body}`;
};

/** The answer in these bytes, or null while a part of it is missing. */
export const parseAnswer = (received: Buffer): Answer | null => {
  const headEnd = received.indexOf(HEAD_END);
  if (headEnd === -1) return null;
  const head = received.toString('latin1', 0, headEnd + LINE_END.length).toLowerCase();
  const rest = received.subarray(headEnd + HEAD_END.length);
  const status = Number(head.slice('http/1.1 '.length, 'http/1.1 200'.length));
  if (head.includes('\r\ntransfer-encoding: chunked\r\n')) {
    const body = joinChunks(rest);
    return body && { status, body };
  }
  const length = status === 204 || status === 304 ? 0 : Number(/\r\ncontent-length: *(\d+)\r\n/.exec(head)?.[1]);
  if (Number.isNaN(length)) throw new Error(`an answer without a length:\n${head}`);
  if (rest.length > length) throw new Error('more bytes than the answer announced');
  return rest.length < length ? null : { status, body: rest };
};

const joinChunks = (rest: Buffer): Buffer | null => {
  const chunks: Buffer[] = [];
  for (let at = 0; at < rest.length; ) {
    const lineEnd = rest.indexOf(LINE_END, at);
    if (lineEnd === -1) return null;
    const size = Number.parseInt(rest.toString('latin1', at, lineEnd), 16);
    if (Number.isNaN(size)) throw new Error('a chunk without a size');
    const start = lineEnd + LINE_END.length;
    const next = start + size + LINE_END.length;
    if (rest.length < next) return null;
    if (size === 0) return Buffer.concat(chunks);
    chunks.push(rest.subarray(start, start + size));
    at = next;
  }
  return null;
};

/** One keep-alive connection with one request under way at a time. node:http would cost more than many an answer that is measured. */
export class Connection {
  readonly #socket: Socket;
  #received: Buffer = NOTHING;
  #settle: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes) => this.#take(bytes));
    socket.on('timeout', () => socket.destroy(new Error(`no answer within ${PATIENCE_MS} ms`)));
    socket.on('error', (error) => this.#settle?.reject(error));
    socket.on('close', () => this.#settle?.reject(new Error('the server closed the connection')));
  }

  /** Over TLS where there is an authority to trust. */
  static async open(port: number, ca?: string): Promise<Connection> {
    const to = { port, host: '127.0.0.1', noDelay: true, timeout: PATIENCE_MS };
    const socket = ca === undefined ? connect(to) : connectTls({ ...to, ca });
    await once(socket, ca === undefined ? 'connect' : 'secureConnect');
    return new Connection(socket);
  }

  send(request: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      if (this.#socket.destroyed) reject(new Error('the connection is closed'));
      else this.#socket.write(request, 'latin1');
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    try {
      const answer = parseAnswer(this.#received);
      if (answer !== null) {
        this.#received = NOTHING;
        this.#settle?.resolve(answer);
      } else if (this.#received.length > LARGEST_ANSWER) throw new Error('the answer is too large');
    } catch (error) {
      this.#socket.destroy(error as Error);
    }
  }
}
