import { expect, test } from '@jest/globals';
import { BehaviorSubject, finalize } from 'rxjs';
import { inMemoryEventStore } from '../../src/adapters/event-store/in-memory.ts';
import { LogInUse } from '../../src/adapters/sqlite-file.ts';
import { ConfigError } from '../../src/config.ts';
import { serve } from '../../src/serve.ts';
import { testEngine } from '../support/engine.ts';
import { served } from '../support/served.ts';
import { watchedConfig } from './support.ts';

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

test('a start beside another engine is told of the directory first, and of a port in one line', async () => {
  const config = await watchedConfig();
  const port = String(config.operator.port);
  const serving = await serve(config, { say: () => undefined });
  try {
    await expect(serve(config, { say: () => undefined })).rejects.toThrow(LogInUse);
    const beside = served({ COUNTERSIGN_OPERATOR_PORT: port });
    await expect(beside).rejects.toThrow(new ConfigError([`listen EADDRINUSE: address already in use 127.0.0.1:${port}`]));
  } finally {
    await serving.close();
  }
});
