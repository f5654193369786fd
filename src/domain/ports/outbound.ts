/** One call. Of the headers, `host`, `connection`, `accept-encoding` and the length of the body are the client's own. */
export interface OutboundRequest {
  method: 'GET' | 'POST';
  url: string;
  headers?: Readonly<Record<string, string>>;
  body?: string;
  /** The longest body that is taken as an answer: 65 536 bytes if not set. */
  maxBytes?: number;
  /**
   * The answer is complete with its headers: no body, however it is written and wherever it ends, changes what they say. It is given as
   * empty. Where it is longer than `maxBytes` or takes more than a second, the connection is dropped.
   */
  statusOnly?: boolean;
}

/**
 * What was answered, whatever its status outside 300 to 399. The body was complete, and is read as UTF-8; it is empty where only the
 * status was asked for.
 */
export interface OutboundResponse {
  status: number;
  /** The names are in lower case; values of the same name are joined with a comma. */
  headers: Readonly<Record<string, string>>;
  body: string;
}

const REFUSALS = {
  bad_url: 'the URL is malformed',
  not_https: 'the URL is not an https URL',
  userinfo: 'the URL holds a user name or a password',
  port_not_allowed: 'the port of the URL is not allowed',
  address_not_public: 'the host of the URL is not on the public internet',
  redirect: 'the answer was a redirect',
  too_large: 'the answer was too large',
  content_encoding: 'the answer was compressed',
};

const FAILURES = {
  name_not_resolved: 'the host of the URL could not be resolved',
  connection_failed: 'the connection could not be opened or was cut',
  tls_failed: 'the host did not prove its identity over TLS',
  bad_response: 'the answer was not HTTP',
  timeout: 'the answer did not come in time',
};

/** Why a URL or an answer is not taken. */
export type OutboundRefusal = keyof typeof REFUSALS;

/** Why no answer was had. */
export type OutboundFailure = keyof typeof FAILURES;

/** A rule forbids the call or its answer. The message names neither the URL nor an address, and is fit for an error_description. */
export class OutboundRefused extends Error {
  readonly reason: OutboundRefusal;

  constructor(reason: OutboundRefusal, options?: ErrorOptions) {
    super(REFUSALS[reason], options);
    this.name = 'OutboundRefused';
    this.reason = reason;
  }
}

/** The other side or the way there failed; a later call may succeed. The message is of the same kind as that of a refusal. */
export class OutboundFailed extends Error {
  readonly reason: OutboundFailure;

  constructor(reason: OutboundFailure, options?: ErrorOptions) {
    super(FAILURES[reason], options);
    this.name = 'OutboundFailed';
    this.reason = reason;
  }
}

/**
 * Calls URLs that others have named. Rejects with OutboundRefused or OutboundFailed and for nothing else that a URL, a name server or a
 * host can do. Many calls may run at once.
 *
 * - Form: https, characters of RFC 3986 only, no user name or password, no dot at the end of the host, port 443 or one that the settings
 *   allow.
 * - Addresses: every address of the host must be public: in none of the blocks that IANA keeps for special use. One that is not refuses
 *   all. The name is resolved once per call, and the connection goes to what was checked, through no proxy. A host may keep a connection
 *   for the next call to it.
 * - Identity: the certificate must be valid for the host in the URL, whatever the environment of the process says.
 * - Answer: no redirect is followed, the header has at most 16 KiB, the body `maxBytes`, and nothing is decompressed.
 *   Where only the status counts, no body is refused.
 * - Time: from the call to the last byte of the answer 5 seconds, the resolving of the name included, or to its headers where only the
 *   status counts. What is late is cut off.
 *
 * In development, hosts that the settings list by name and port may be called over http and at any address. In production there are none.
 */
export interface Outbound {
  fetch: (request: OutboundRequest) => Promise<OutboundResponse>;
  /** Makes the checks of form and of addresses, and no call: for a URL that is registered. `fetch` makes them again. */
  check: (url: string) => Promise<void>;
}
