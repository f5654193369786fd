import type { Connection } from '../connection.ts';
import type { Approve } from '../target.ts';
import type { Tpp } from '../tpp.ts';

/** One operation on one connection. Its result is the name that it is counted under. */
export type Step = (connection: Connection) => Promise<string>;

/** What one row of the table does again and again. */
export interface Scenario {
  /** Done before the first window, on all connections, this many times. */
  prepare?: { times: number; step: Step };
  step: Step;
}

/** `outstanding`: how many requests wait for their answer while the scenario runs, for those that ask for it. */
export type MakeScenario = (given: {
  tpp: Tpp;
  approve: Approve;
  outstanding: number;
  /** Resolves when the ping of this request has arrived. */
  pinged(authReqId: string): Promise<void>;
}) => Scenario;
