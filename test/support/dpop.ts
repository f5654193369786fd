import { randomUUID } from 'node:crypto';
import { systemIds } from '../../src/adapters/clock.ts';
import type { Clock } from '../../src/domain/ports/clock.ts';
import { signJws, type TestKey } from './jws.ts';

/** A DPoP proof by the key for a call (RFC 9449, section 4.2), for an access token if one is given. Claims that are given replace the right ones. */
export const dpopProof = (
  { url, ports }: { url: string; ports: { clock: Clock } },
  key: TestKey,
  path: string,
  { method = 'POST', accessToken, ...claims }: { method?: string; accessToken?: string; [claim: string]: unknown } = {},
): Promise<string> => {
  const { kid: _kid, ...jwk } = key.publicJwk;
  const ath = accessToken === undefined ? {} : { ath: systemIds.hash(accessToken) };
  return signJws(
    key,
    { jti: randomUUID(), htm: method, htu: url + path, iat: ports.clock(), ...ath, ...claims },
    { typ: 'dpop+jwt', jwk, kid: undefined },
  );
};
