import type { MakeScenario } from './scenario.ts';

/** One of many users looks up their own devices. */
export const deviceLookup: MakeScenario = ({ tpp }) => ({
  async step(connection) {
    await tpp.lookUpDevices(connection, Math.floor(Math.random() * tpp.filled));
    return 'found';
  },
});
