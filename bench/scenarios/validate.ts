import type { MakeScenario } from './scenario.ts';

/** A gateway asks whether a call is under one of many consents, which all are, and about each of which it has asked before. */
export const validate: MakeScenario = ({ tpp }) => {
  let turn = 0;
  return {
    prepare: {
      times: tpp.filled,
      async step(connection) {
        await tpp.validate(connection, turn++ % tpp.filled);
        return 'valid';
      },
    },
    async step(connection) {
      await tpp.validate(connection, Math.floor(Math.random() * tpp.filled));
      return 'valid';
    },
  };
};
