import type { MakeScenario } from './scenario.ts';

const TOKENS = 200;

/** A valid token is introspected. It is a refresh token, because the peer refuses to introspect the JWT access tokens that it issues. */
export const introspection: MakeScenario = ({ tpp, approve }) => {
  const refreshTokens: string[] = [];
  let turn = 0;
  return {
    prepare: {
      times: TOKENS,
      async step(connection) {
        const parameters = tpp.nextParameters();
        const authReqId = await tpp.request(connection, parameters);
        await approve(connection, { authReqId, parameters });
        refreshTokens.push((await tpp.redeem(connection, authReqId)).refresh_token);
        return 'redeemed';
      },
    },
    async step(connection) {
      await tpp.introspectActive(connection, refreshTokens[turn++ % TOKENS] ?? '');
      return 'active';
    },
  };
};
