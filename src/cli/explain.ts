import { systemIds } from '../adapters/clock.ts';
import type { Config } from '../config.ts';
import { decode } from '../domain/catalogue.ts';
import { requestIdOf } from '../domain/ciba-request/id.ts';
import type { EventStore, StoredEvent } from '../domain/ports/event-store.ts';
import { statesOf } from '../domain/replay.ts';
import { CommandFailed } from './command-failed.ts';
import { line, readHistory } from './history.ts';
import { openToRead } from './log.ts';

/** A request, as it was received. */
interface Received {
  requestId: string;
  clientId: string;
  consentId: string;
}

/**
 * Prints all that happened to a CIBA request and to its consent, in order, also while an engine runs. It is named by its auth_req_id, which is
 * not repeated, or by its id. What is personal stays sealed, and of tokens there are only hashes.
 */
export const explain = async (config: Config, named: string, print: (line: string) => void): Promise<void> => {
  const log = await openToRead(config);
  try {
    const request = await findRequest(log, named);
    const facts = await factsOf(log, request, await readHistory(config, request.consentId));
    const { requestId, clientId, consentId } = request;
    const { status } = statesOf(facts).get(`cibaRequest-${requestId}`) as { status: string };
    print(`request ${requestId} of ${clientId} for consent ${consentId}: ${status}`);
    for (const fact of facts) for (const text of told(fact, request)) print(text);
  } finally {
    await log.close();
  }
};

const findRequest = async (log: EventStore, named: string): Promise<Received> => {
  for (const requestId of [requestIdOf(named, systemIds), named]) {
    const [first] = await log.read(`cibaRequest-${requestId}`);
    const received = first && decode(first);
    if (received?.type === 'CibaRequestReceived')
      return { requestId, clientId: received.data.clientId, consentId: received.data.consentId };
  }
  throw new CommandFailed('there is no such request in the log');
};

/** The facts of the streams that are the request's: of all that its consent has, those that say so, and the sign-ins of its sessions. */
const factsOf = async (
  log: EventStore,
  { requestId, consentId }: Received,
  history: readonly StoredEvent[],
): Promise<readonly StoredEvent[]> => {
  const own = `cibaRequest-${requestId}`;
  const streams = new Set([`consent-${consentId}`, own, `grant-${requestId}`, `notification-${requestId}`]);
  for (const { stream, data } of history) {
    const { requestId: of, sessionId } = JSON.parse(data) as Record<string, unknown>;
    if (of === requestId) streams.add(stream);
    if (stream === own && typeof sessionId === 'string') streams.add(`authentication-${sessionId}`);
  }
  const facts = await Promise.all([...streams].map((stream) => log.read(stream)));
  return facts.flat().sort((one, other) => one.position - other.position);
};

/** One fact: its line, and what it says that the first line of all does not. */
function* told(fact: StoredEvent, request: Received): Generator<string> {
  const [position, moment, type, actor] = line(fact);
  yield `${position}  ${moment}  ${type}  ${actor}`;
  const known: readonly unknown[] = [null, ...Object.values(request)];
  for (const [name, value] of Object.entries(JSON.parse(fact.data) as Record<string, unknown>))
    if (name !== 'at' && !known.includes(value)) yield `    ${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`;
}
