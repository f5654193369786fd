import type { PushSender } from '../../domain/ports/push-sender.ts';

/** Prints the pushes instead of sending them: one line each, without the push token. */
export const developmentPushSender = (print: (line: string) => void): PushSender => {
  let sent = 0;
  return {
    async wake({ requestId, ttlSeconds }) {
      sent += 1;
      print(`push: a phone would be woken for request ${requestId}, which lives for another ${ttlSeconds} s`);
      return { outcome: 'accepted', messageId: `development-${sent}` };
    },
  };
};
