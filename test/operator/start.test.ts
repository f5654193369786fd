import { expect, test } from '@jest/globals';
import { BehaviorSubject, finalize } from 'rxjs';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { testEngine } from '../support/engine.ts';

// Found when everything else has been started.
const RULE_FOR_NOBODY = {
  keys: { get: () => undefined, put: () => undefined },
  rules: { rules: [{ login_hint: 'nobody', answer: 'approve' as const, after_seconds: 0 }] },
};

test('a start that fails leaves nothing running behind it', async () => {
  const log = inMemoryEventStore();
  const onDuty = new BehaviorSubject(true);
  let following = 0;
  const follow: typeof log.follow = (afterPosition) => {
    following += 1;
    const end = () => {
      following -= 1;
    };
    return log.follow(afterPosition).pipe(finalize(end));
  };
  const starting = testEngine({ store: { ...log, follow }, onDuty, sandbox: RULE_FOR_NOBODY });
  await expect(starting).rejects.toThrow('a rule of the sandbox names no PSU');
  expect([following, onDuty.observed]).toEqual([0, false]);
});
