import { PATHS } from '../api/surface.ts';
import type { Config } from '../config.ts';
import type { Serving } from '../serve.ts';

/** What `npm start` prints: where the engine is, whom to be, and a pair of calls: one asks, one polls. */
export const banner = (config: Config, { sandbox, caFile }: Serving): string => {
  const { issuer, environment, server } = config;
  const by = server.workers === 1 ? '' : ` by ${server.workers} workers`;
  const lines = [`Countersign serves ${issuer} (mTLS on port ${server.mtlsPort})${by}, ${environment}, data in ${config.dataDir}`];
  if (environment === 'development') lines.push('Not for production: certificates, keys and the sandbox were made here, by this engine.');
  if (sandbox !== null && caFile !== null) {
    const { clientId, clientSecret } = sandbox.client;
    const curl = `curl --cacert '${caFile}' --user ${clientId}:${clientSecret}`;
    lines.push(
      '',
      `TPP  ${clientId}, secret ${clientSecret}`,
      ...sandbox.psus.map(({ username, password }) => `PSU  ${username}, password ${password}`),
      '',
      'Ask for a consent, then poll for it (put the auth_req_id of the answer in its place):',
      `  ${curl} --data 'scope=openid accounts' --data login_hint=${sandbox.psus[0]?.username} --data binding_message=W4SCT ${issuer}${PATHS.backchannelAuthentication}`,
      `  ${curl} --data grant_type=urn:openid:params:grant-type:ciba --data auth_req_id=… ${issuer}${PATHS.token}`,
      '',
      'The whole ceremony, with a phone that signs: npm run demo',
    );
  }
  return lines.join('\n');
};
