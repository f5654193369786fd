import type { Observable } from 'rxjs';
import type { Clock, Ids } from '../domain/ports/clock.ts';
import type { ConsentSteps } from '../domain/ports/consent-steps.ts';
import type { EventStore } from '../domain/ports/event-store.ts';
import type { JwsReader } from '../domain/ports/jws.ts';
import type { Limits } from '../domain/ports/limits.ts';
import type { LoginScript } from '../domain/ports/login-script.ts';
import type { Outbound } from '../domain/ports/outbound.ts';
import type { PsuDirectory } from '../domain/ports/psu-directory.ts';
import type { PushSender } from '../domain/ports/push-sender.ts';
import type { Rows } from '../domain/ports/rows.ts';
import type { SealingKeys } from '../domain/ports/sealer.ts';
import type { Signer } from '../domain/ports/signer.ts';
import type { EvidenceLog } from '../evidence/log.ts';
import type { AuditIndex } from '../projections/audit-runner.ts';
import type { Projections } from '../projections/runner.ts';

/** What an engine stands on: one implementation of every port. */
export interface Ports {
  store: EventStore;
  rows: Rows;
  /** What auditors search, in rows of its own. */
  auditRows: Rows;
  sealer: SealingKeys;
  signer: Signer;
  jws: JwsReader;
  limits: Limits;
  directory: PsuDirectory;
  consentSteps: ConsentSteps;
  loginScript: LoginScript;
  pushSender: PushSender;
  outbound: Outbound;
  clock: Clock;
  ids: Ids;
  /** Where another process of this machine applies the log to the rows: how far it is. This one does so itself if not given. */
  following?: Projections;
  /** The same for the rows of auditors: resolves when they hold all up to a position. */
  auditReached?: AuditIndex['reached'];
  /** The evidence log, where one is kept. */
  evidence?: EvidenceLog | null;
  /** Whether it is for this process to do what the log owes the world, as that changes; always if not given. */
  onDuty?: Observable<boolean>;
  /** Of a store that is elsewhere: whether it has taken what this process wrote there last beside the log; always if not given. */
  takesWrites?: () => boolean;
  /** Leaves the duty to others for good: this process cannot do it any more. */
  leaveDuty?: () => void;
}
