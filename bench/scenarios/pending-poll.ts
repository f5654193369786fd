import type { MakeScenario } from './scenario.ts';

/** The TPP asks for tokens that nobody has approved yet. It walks over all its requests, so that one is polled as rarely as can be. */
export const pendingPoll: MakeScenario = ({ tpp, outstanding }) => {
  const authReqIds: string[] = [];
  let turn = 0;
  return {
    prepare: {
      times: outstanding,
      async step(connection) {
        authReqIds.push(await tpp.request(connection, tpp.nextParameters()));
        return 'accepted';
      },
    },
    step: (connection) => tpp.pollPending(connection, authReqIds[turn++ % authReqIds.length] ?? ''),
  };
};
