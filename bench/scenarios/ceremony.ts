import type { MakeScenario } from './scenario.ts';

/** A CIBA request, the PSU's approval, the redemption for an ID token, an access token and a refresh token. */
export const ceremony: MakeScenario = ({ tpp, approve }) => ({
  async step(connection) {
    const parameters = tpp.nextParameters();
    const authReqId = await tpp.request(connection, parameters);
    await approve(connection, { authReqId, parameters });
    await tpp.redeem(connection, authReqId);
    return 'redeemed';
  },
});
