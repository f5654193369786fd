import { test } from '@jest/globals';
import { standingClock } from '../support/clock.ts';
import { testDevice } from '../support/device.ts';
import { testEngine } from '../support/engine.ts';
import { ask, secretTpp } from '../support/tpp.ts';
test('x', async () => {
  const time = standingClock();
  const tested = await testEngine({ clock: time.clock });
  const auth = await secretTpp(tested);
  const phone = await testDevice(tested, 'alice');
  const a = await ask(tested, auth, { requested_expiry: '10' });
  await phone.decide(a.requestId, 'approved');
  time.pass(10);
  await new Promise((r) => setTimeout(r, 2500));
  console.log((await tested.log()).map((e) => `${e.type} ${e.stream} ${e.data}`).join('\n'), tested.faults, tested.ports.rows.all('select * from live_request'), time.clock());
  await tested.close();
});
