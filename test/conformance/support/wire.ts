import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { Agent, request } from 'node:https';
import type { Socket } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { expect } from '@jest/globals';
import { systemClock, systemIds } from '../../../src/adapters/clock.ts';
import { outboundClient } from '../../../src/adapters/outbound/outbound.ts';
import type { Identity } from '../../../src/adapters/tls/servers.ts';
import { accountsIn, askForEnrolment, enrol, type Phone } from '../../../src/demo/phone.ts';
import { trustingFetch } from '../../../src/demo/trusting-fetch.ts';
import { requestIdOf } from '../../../src/domain/ciba-request/id.ts';
import { DESCRIPTION } from '../../support/http.ts';
import { type Served, served } from '../../support/served.ts';

export type Form = Record<string, string>;

/** What came back, whole. */
export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  text: string;
  /** The JSON object, or an empty one for any other body. */
  // biome-ignore lint/suspicious/noExplicitAny: assertions look at whatever members there are
  body: Record<string, any>;
}

export interface Sent {
  method?: string;
  headers?: Record<string, string>;
  /** A form, or a text as it stands. */
  form?: Form | string;
  json?: unknown;
  identity?: Identity | null;
}

/** A running server behind TLS, and whoever talks to it. */
export interface Wire {
  served: Served;
  issuer: string;
  ca: string;
  /** The authority that the server trusts for client certificates. */
  authority: Identity;
  // biome-ignore lint/suspicious/noExplicitAny: the metadata document as it was published
  metadata: Record<string, any>;
  /** The epoch second that the server goes by. */
  now(): number;
  /** Does something while the server's clock is this many seconds ahead. */
  later<T>(seconds: number, act: () => Promise<T>): Promise<T>;
  send(url: string, sent?: Sent): Promise<Answer>;
  /** The URL of an endpoint on the listener that asks for certificates, where it has one. */
  endpoint(name: string, listener?: 'plain' | 'mtls'): string;
  psu(username?: string): { username: string; password: string };
  phone: Phone;
  /** Alice's phone answers a request over all her accounts. */
  answer(authReqId: string, verdict: 'approved' | 'denied'): Promise<void>;
  close(): Promise<void>;
}

/** The settings with which whoever comes may register, as the certification programme does. */
export const REGISTRATION = { COUNTERSIGN_REGISTRATION_ENABLED: 'true', COUNTERSIGN_REGISTRATION_REQUIRE_SOFTWARE_STATEMENT: 'false' };

/** Starts a server as `npm start` does; it may call the hosts that are given, whose authority it trusts. */
export const openWire = async (
  settings: Record<string, string> = {},
  outside: { hosts: string[]; ca: string } | null = null,
): Promise<Wire> => {
  let ahead = 0;
  const now = () => systemClock() + ahead;
  const outbound = outside && outboundClient({ development: true, allowedHosts: outside.hosts, ca: outside.ca });
  const engine = await served(
    { COUNTERSIGN_LIMITS_PENDING_REQUESTS_PER_PSU: '10000', COUNTERSIGN_CIBA_MIN_EXPIRY_SECONDS: '1', ...settings },
    { clock: now, ...(outbound !== null && { outbound }) },
  );
  const { issuer, dataDir } = engine.config;
  const ca = readFileSync(`${dataDir}/tls/ca.pem`, 'utf8');
  const authority = { certificate: ca, key: readFileSync(`${dataDir}/tls/ca.key`, 'utf8') };
  const agents = new Map<Identity | null, Agent>();
  const agentOf = (identity: Identity | null) => {
    const agent =
      agents.get(identity) ?? new Agent({ ca, keepAlive: true, ...(identity && { cert: identity.certificate, key: identity.key }) });
    agents.set(identity, agent);
    return agent;
  };
  const close = async () => {
    for (const agent of agents.values()) agent.destroy();
    await engine.serving.close();
  };
  try {
    const send: Wire['send'] = (url, { identity = null, ...sent } = {}) => exchanged(url, agentOf(identity), sent);
    const { body: metadata } = await send(`${issuer}/.well-known/openid-configuration`);
    const psu = (username = 'alice') => {
      const found = engine.serving.sandbox?.psus.find((one) => one.username === username);
      if (found === undefined) throw new Error(`no PSU ${username}`);
      return found;
    };
    const fetch = trustingFetch(ca);
    const phone = await enrol(fetch, await askForEnrolment(fetch, issuer, psu()));
    return {
      ...{ served: engine, issuer, ca, authority, metadata, now, send, psu, phone, close },
      async later(seconds, act) {
        ahead += seconds;
        try {
          return await act();
        } finally {
          ahead -= seconds;
        }
      },
      endpoint: (name, listener = 'mtls') => String((listener === 'mtls' && metadata['mtls_endpoint_aliases'][name]) || metadata[name]),
      async answer(authReqId, verdict) {
        const shown = await phone.retrieve(requestIdOf(authReqId, systemIds));
        await phone.send(shown.request_id, await phone.sign(shown, verdict, verdict === 'approved' ? accountsIn(shown) : []));
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
};

const exchanged = (url: string, agent: Agent, { method, headers = {}, form, json }: Sent): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const body =
      form === undefined
        ? json === undefined
          ? undefined
          : JSON.stringify(json)
        : typeof form === 'string'
          ? form
          : new URLSearchParams(form).toString();
    const type = form === undefined ? 'application/json' : 'application/x-www-form-urlencoded';
    const outgoing = request(
      url,
      {
        agent,
        method: method ?? (body === undefined ? 'GET' : 'POST'),
        headers: {
          ...(body !== undefined && { 'content-type': type, 'content-length': Buffer.byteLength(body) }),
          ...headers,
        },
      },
      async (response) => {
        try {
          const text = (await response.setEncoding('utf8').toArray()).join('');
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, body: objectIn(text) });
        } catch (error) {
          reject(error);
        }
      },
    );
    outgoing.on('error', reject).end(body);
  });

const objectIn = (text: string): Answer['body'] => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
};

/** A refusal in the words of the specification: one of the pairs of status and code, JSON, and no members but the three (RFC 6749, section 5.2). */
export const expectError = ({ status, headers, body, text }: Answer, ...allowed: [status: number, error: string][]): void => {
  expect({ text, isAllowed: allowed.some(([one, error]) => one === status && error === body['error']), status, allowed }).toEqual({
    text,
    isAllowed: true,
    status,
    allowed,
  });
  expect(headers['content-type']).toMatch(/^application\/json(; ?charset=utf-8)?$/i);
  expect(headers['cache-control']).toBe('no-store');
  const { error: _, error_description: description, error_uri: uri, ...others } = body;
  expect(others).toEqual({});
  if (description !== undefined) expect(description).toMatch(DESCRIPTION);
  if (uri !== undefined) expect(URL.canParse(uri)).toBe(true);
};

/** The Shannon estimate of a text in bits: what the certification programme measures secrets by. */
export const shannonBits = (text: string): number => {
  const counts = Map.groupBy(text, (character) => character);
  return [...counts.values()].reduce((bits, { length }) => bits - length * Math.log2(length / text.length), 0);
};

/** The two parts of a JWT, unverified. */
// biome-ignore lint/suspicious/noExplicitAny: assertions look at whatever claims there are
export const partsOf = (jwt: string): { header: Record<string, any>; claims: Record<string, any> } => {
  const [header, claims] = jwt.split('.').map((part) => Buffer.from(part, 'base64url').toString());
  return { header: JSON.parse(header ?? ''), claims: JSON.parse(claims ?? '') };
};

/** What a TLS handshake with the host of a URL comes to. */
export const handshake = async <T>(url: string, options: ConnectionOptions, read: (socket: TLSSocket) => T | Promise<T>): Promise<T> => {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: '127.0.0.1', servername: hostname, port: Number(port), ...options });
  try {
    await once(socket as Socket, 'secureConnect');
    return await read(socket);
  } finally {
    socket.destroy();
  }
};
