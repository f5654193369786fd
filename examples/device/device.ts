import { createHash, createPrivateKey, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';

const ISSUER = process.env['ISSUER'] ?? 'https://localhost:9446';
const FILE = process.env['DEVICE_FILE'] ?? 'data/device.json';
const API = '/approver/v1';

/** What a phone keeps of its enrolment; the key of a real one stays in its secure element. */
interface Device {
  deviceId: string;
  privateKey: string;
}

const now = () => Math.floor(Date.now() / 1000);
const sha256 = (text: string) => createHash('sha256').update(text).digest('base64url');
const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** A JWS of the device: `typ` says what kind of statement it is. */
const signed = ({ deviceId, privateKey }: Device, typ: string, claims: object): string => {
  const text = `${part({ alg: 'ES256', typ, kid: deviceId })}.${part({ aud: ISSUER, iat: now(), ...claims })}`;
  const signature = sign('sha256', Buffer.from(text), { key: createPrivateKey(privateKey), dsaEncoding: 'ieee-p1363' });
  return `${text}.${signature.toString('base64url')}`;
};

const send = async (method: string, path: string, headers: Record<string, string>, body?: string) => {
  const response = await fetch(`${ISSUER}${API}${path}`, {
    method,
    headers: { ...headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
    ...(body !== undefined && { body }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text === '' ? null : JSON.parse(text);
};

/** The PSU asks for an enrolment by password; the phone makes its key, and registers it by a statement that the key signs. */
const enrol = async (username: string, password: string): Promise<Device> => {
  const basic = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const { device_id, challenge } = await send('POST', '/enrolments', { authorization: basic });
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const device = { deviceId: device_id, privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
  const { kty, crv, x, y } = publicKey.export({ format: 'jwk' });
  const claims = { device_id, challenge, public_key: { kty, crv, x, y }, name: 'Example phone', model: 'TypeScript' };
  await send('POST', '/devices', {}, JSON.stringify({ registration: signed(device, 'device-registration+jwt', claims) }));
  return device;
};

/** A call with the proof that the device holds its key. */
const call = (device: Device, method: string, path: string) =>
  send(method, path, {
    authorization: `DeviceProof ${signed(device, 'device-proof+jwt', { htm: method, htu: API + path, jti: randomUUID() })}`,
  });

/** Answers the request that has waited longest, over the very text that was shown. */
const answer = async (device: Device, verdict: 'approved' | 'denied'): Promise<void> => {
  const { requests } = await call(device, 'GET', '/requests');
  if (requests.length === 0) return console.log('nothing waits');
  const { request_id, shown, digest, nonce } = await call(device, 'GET', `/requests/${requests[0].request_id}`);
  if (sha256(shown) !== digest) throw new Error('the digest is not of what was shown');
  console.log(shown);
  const accounts: { account_id: string }[] = JSON.parse(shown).accounts;
  const statement = signed(device, 'consent-answer+jwt', {
    request_id,
    digest,
    nonce,
    verdict,
    device_id: device.deviceId,
    account_ids: verdict === 'approved' ? accounts.map(({ account_id }) => account_id) : [],
    exp: now() + 60,
  });
  const { status } = await send('POST', `/requests/${request_id}/answer`, {}, JSON.stringify({ answer: statement }));
  console.log(status);
};

const kept = (): Device => JSON.parse(readFileSync(FILE, 'utf8'));
const [command, username = '', password = ''] = process.argv.slice(2);
switch (command) {
  case 'enrol': {
    const device = await enrol(username, password);
    writeFileSync(FILE, JSON.stringify(device), { mode: 0o600 });
    console.log(`enrolled ${device.deviceId}`);
    break;
  }
  case 'approve':
    await answer(kept(), 'approved');
    break;
  case 'deny':
    await answer(kept(), 'denied');
    break;
  case 'remove': {
    const device = kept();
    await call(device, 'DELETE', `/devices/${device.deviceId}`);
    console.log('removed');
    break;
  }
  default:
    console.log('device.ts enrol <username> <password> | approve | deny | remove');
    process.exitCode = 1;
}
