/** Where a KurrentDB cluster is, and how it is spoken to. */
export interface KurrentdbAddress {
  hosts: readonly { address: string; port: number }[];
  /** The one host is a name that stands for all nodes. */
  discover: boolean;
  tls: boolean;
  credentials: { username: string; password: string } | null;
}

/** The connection string cannot be used. What it says is not repeated: it may hold a password. */
export class WrongConnectionString extends Error {
  constructor(problem: string) {
    super(`the connection string of KurrentDB: ${problem}`);
    this.name = 'WrongConnectionString';
  }
}

const FORM = /^(?:kurrentdb|kurrent|kdb|esdb)(\+discover)?:\/\/(?:([^:@/?]+):([^@/?]*)@)?([^@/?]+)\/?(?:\?(.*))?$/;
const HOST = /^([^:]+|\[[0-9a-fA-F:]+\])(?::(\d{1,5}))?$/;
const DEFAULT_PORT = 2113;

/**
 * Reads a connection string such as `kurrentdb://user:password@one:2113,two:2113,three:2113?tls=true`. Of its options only `tls` is known
 * here: deadlines and files have settings of their own, and decisions always read the leader.
 */
export const addressIn = (connectionString: string): KurrentdbAddress => {
  const [whole, discover, username, password, hosts, options] = FORM.exec(connectionString.trim()) ?? [];
  if (whole === undefined || hosts === undefined) throw new WrongConnectionString('expected kurrentdb://host:port,…');
  return {
    hosts: hosts.split(',').map(hostIn),
    discover: discover !== undefined,
    tls: tlsIn(new URLSearchParams(options)),
    credentials: username === undefined ? null : { username: decoded(username), password: decoded(password ?? '') },
  };
};

const hostIn = (text: string) => {
  const [whole, address, port] = HOST.exec(text) ?? [];
  if (whole === undefined || address === undefined || Number(port ?? DEFAULT_PORT) > 65_535)
    throw new WrongConnectionString('expected hosts as name or name:port');
  return { address, port: Number(port ?? DEFAULT_PORT) };
};

const tlsIn = (options: URLSearchParams): boolean => {
  let tls = true;
  for (const [name, value] of options) {
    if (name.toLowerCase() !== 'tls') throw new WrongConnectionString(`the option ${JSON.stringify(name)} has no meaning here`);
    if (value !== 'true' && value !== 'false') throw new WrongConnectionString('expected tls=true or tls=false');
    tls = value === 'true';
  }
  return tls;
};

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new WrongConnectionString('user name and password are to be percent-encoded');
  }
};
