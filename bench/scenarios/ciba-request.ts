import type { MakeScenario } from './scenario.ts';

/** The TPP asks for an authentication and gets an `auth_req_id`. */
export const cibaRequest: MakeScenario = ({ tpp }) => ({
  async step(connection) {
    await tpp.request(connection, tpp.nextParameters());
    return 'accepted';
  },
});
