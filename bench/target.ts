import type { JsonWebKey } from 'node:crypto';
import type { Connection } from './connection.ts';

/** The form parameters of one CIBA request, all but the client's authentication: `scope`, `login_hint`, `binding_message` … */
export type CibaParameters = Record<string, string>;

/**
 * How the TPP proves who it is: `client_secret_post`, or `private_key_jwt` with ES256 and this private key. `signedRequest` does the
 * latter and sends its parameters in a `request` object signed with the same key, as FAPI-CIBA wants it.
 */
export interface TppClients {
  secret: { clientId: string; clientSecret: string };
  privateKeyJwt: { clientId: string; jwk: JsonWebKey };
  signedRequest: { clientId: string; jwk: JsonWebKey };
  /** By `client_secret_post`, in ping mode: only where the server was started with `--notification`. */
  ping: { clientId: string; clientSecret: string };
  /** A gateway of the bank, by Basic: only where the server can validate. */
  gateway: { clientId: string; clientSecret: string };
}

/**
 * A server under test is a file of this folder that is started as
 *
 *   node <file> [its own arguments] --id-token-alg ES256|PS256 --data <empty folder> [--notification <URL that pings go to>]
 *
 * and ends its start with `announce(port, target)` of measure.ts: one line `ready <port> <Target as JSON>` on stdout, and from then on
 * it answers the runner's questions about its CPU time and its memory. It listens on 127.0.0.1, on plain HTTP unless it names an authority,
 * and keeps connections alive. Each row of the table gets a server of its own, which lives through all rounds of that row.
 */
export interface Target {
  /** The `aud` of client assertions. */
  issuer: string;
  /** The authority of its certificate, in PEM: of a server that speaks TLS. */
  ca?: string;
  paths: { ciba: string; token: string; introspection: string; validate?: string; devices?: string };
  clients: TppClients;
  /** The load walks over these again and again: give many users. One list serves both clients. */
  requests: CibaParameters[];
  /** A module of this folder, `./peer-approval.ts` for example, that exports `makeApprove: MakeApprove`. It runs in the load's process. */
  approval: string;
  /** Anything that the approval module needs: devices, their private keys … */
  approver?: unknown;
}

/** A target that listens. */
export type ListeningTarget = Target & { port: number };

/** What a server under test said of itself when it was ready. */
export const targetOf = (ready: string): ListeningTarget => {
  const [, port, json] = /^(\d+) (.*)$/.exec(ready) ?? [];
  if (!port || !json) throw new Error('a server must print: ready <port> <json>');
  return { ...(JSON.parse(json) as Target), port: Number(port) };
};

/** Makes the PSU of one pending request approve it, over the connection that also requested and redeems. Throws when that fails. */
export type Approve = (connection: Connection, pending: { authReqId: string; parameters: CibaParameters }) => Promise<void>;

/** Called once, before the first ceremony: the place to import keys. */
export type MakeApprove = (target: ListeningTarget) => Approve;
