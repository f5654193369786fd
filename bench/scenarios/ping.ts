import type { MakeScenario } from './scenario.ts';

/** A CIBA request, the PSU's approval, and the ping that tells the TPP of it. */
export const ping: MakeScenario = ({ tpp, approve, pinged }) => ({
  async step(connection) {
    const parameters = { ...tpp.nextParameters(), client_notification_token: 'bench-notification-token' };
    const authReqId = await tpp.request(connection, parameters);
    await approve(connection, { authReqId, parameters });
    await pinged(authReqId);
    return 'pinged';
  },
});
