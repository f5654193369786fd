/** A flow in which a PSU is to prove who they are. */
export interface LoginRequest {
  flow: 'code' | 'ciba' | 'devices';
  /** The request that it is for, and its client; null where the PSU chooses one afterwards, and where there is none. */
  requestId: string | null;
  clientId: string | null;
}

/** How a step has ended. */
export interface LoginOutcome extends LoginRequest {
  step: string;
  psuId: string | null;
}

/** What the ASPSP itself has to say about how its PSUs prove who they are. */
export interface LoginScript {
  /** Whether it chooses at all, or takes every step there is. */
  readonly chooses: boolean;
  /** The steps to take, of those that the settings offer. Rejects with `temporarily_unavailable` where it cannot say. */
  steps<Step extends string>(about: LoginRequest, offered: readonly Step[]): Promise<readonly Step[]>;
  /** Told what was recorded already; what it does about that changes nothing here. */
  succeeded(outcome: LoginOutcome): void;
  failed(outcome: LoginOutcome): void;
}
