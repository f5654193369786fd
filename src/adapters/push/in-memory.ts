import type { PushOutcome, PushSender, WakeUp } from '../../domain/ports/push-sender.ts';

/** A push channel that keeps what it was asked to send, for tests and for embedded use. `answer` decides each outcome. */
export const inMemoryPushSender = (answer: (wakeUp: WakeUp) => PushOutcome = accept): PushSender & { wakeUps: readonly WakeUp[] } => {
  const wakeUps: WakeUp[] = [];
  return {
    wakeUps,
    async wake(wakeUp) {
      wakeUps.push(wakeUp);
      return answer(wakeUp);
    },
  };
};

const accept = ({ requestId }: WakeUp): PushOutcome => ({ outcome: 'accepted', messageId: `in-memory-${requestId}` });
