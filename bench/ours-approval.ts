import { createPrivateKey, hash, type KeyObject, randomUUID } from 'node:crypto';
import { get, post } from './connection.ts';
import { signEs256 } from './es256.ts';
import type { BenchPhone } from './parties.ts';
import type { MakeApprove } from './target.ts';
import { expectJson } from './tpp.ts';

/** The PSU's phone: it retrieves what is asked with a proof of its key, and sends its signed answer. */
export const makeApprove: MakeApprove = ({ issuer, approver }) => {
  const phones = new Map<string, { deviceId: string; key: KeyObject }>();
  for (const [user, { deviceId, jwk }] of Object.entries(approver as Record<string, BenchPhone>))
    phones.set(user, { deviceId, key: createPrivateKey({ key: jwk, format: 'jwk' }) });

  return async (connection, { authReqId, parameters }) => {
    const phone = phones.get(parameters['login_hint'] ?? '');
    if (phone === undefined) throw new Error('no phone for this user');
    const { deviceId: kid, key } = phone;
    const path = `/approver/v1/requests/${authReqId.slice(0, 8)}${hash('sha256', authReqId, 'base64url')}`;
    const iat = Math.floor(Date.now() / 1000);
    const proof = signEs256({ typ: 'device-proof+jwt', kid }, { aud: issuer, htm: 'GET', htu: path, iat, jti: randomUUID() }, key);
    const { request_id, digest, nonce, shown } = expectJson<{ request_id: string; digest: string; nonce: string; shown: string }>(
      await connection.send(get(path, { authorization: `DeviceProof ${proof}` })),
      200,
    );
    const account_ids = (JSON.parse(shown) as { accounts: { account_id: string }[] }).accounts.map((account) => account.account_id);
    const claims = { aud: issuer, request_id, digest, nonce, verdict: 'approved', device_id: kid, account_ids, iat, exp: iat + 60 };
    const answer = signEs256({ typ: 'consent-answer+jwt', kid }, claims, key);
    const body = JSON.stringify({ answer });
    expectJson(await connection.send(post(`${path}/answer`, body, { 'content-type': 'application/json' })), 200);
  };
};
