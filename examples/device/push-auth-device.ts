import { createPrivateKey, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';

const ISSUER = process.env['ISSUER'] ?? 'https://localhost:9446';
const FILE = process.env['DEVICE_FILE'] ?? 'data/push-auth-device.json';

/** What the QR code holds. */
interface Discovery {
  did: string;
  un: string;
  td: string;
  hst: string;
  bp: string;
  re: string;
  ae: string;
  rde: string;
  chg: string;
}

/** What a phone keeps of its registration. */
interface Device extends Discovery {
  privateKey: string;
}

/** The `data` of a push, as far as an answer needs it. */
interface Push {
  deviceId: string;
  challenge: string;
  sessionDataKey: string;
  metadata: string;
}

const signature = (text: string, { privateKey }: Device, encoding: 'base64' | 'base64url') =>
  sign('sha256', Buffer.from(text), createPrivateKey(privateKey)).toString(encoding);

/** A JWT of the device, good for an hour. */
const signed = (device: Device, claims: object): string => {
  const { did, un, td, hst } = device;
  const at = Math.floor(Date.now() / 1000);
  const every = { jti: randomUUID(), sub: `${un}@${td}`, iss: 'wso2verify', aud: `${hst}/t/${td}/`, nbf: at, iat: at, exp: at + 3600 };
  const parts = [
    { alg: 'RS256', did },
    { ...every, ...claims },
  ];
  const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${text}.${signature(text, device, 'base64url')}`;
};

const send = async (url: string, init: RequestInit = {}): Promise<Response> => {
  const response = await fetch(url, init);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return response;
};
const json = (body: object) => ({ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

/** Scans the discovery data, as the user with a password gets them, makes an RSA key and registers it. */
const register = async (username: string, password: string, pushId: string): Promise<Device> => {
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const scanned = await send(`${ISSUER}/api/openbanking/ciba/push-auth/discovery-data`, { headers: { authorization } });
  const discovery = (await scanned.json()) as Discovery;
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const device = { ...discovery, privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() };
  await send(
    discovery.hst + discovery.bp + discovery.re,
    json({
      deviceId: discovery.did,
      model: 'TypeScript',
      name: 'Example phone',
      publicKey: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
      pushId,
      signature: signature(`${discovery.chg}.${pushId}`, device, 'base64'),
    }),
  );
  return device;
};

/** Shows what a push asks and answers it; 202 is the only good answer. */
const answer = async (device: Device, push: Push, res: 'SUCCESSFUL' | 'DENIED'): Promise<void> => {
  if (push.deviceId !== device.did) throw new Error('the push is for another device');
  const { consentData, accounts, application } = JSON.parse(push.metadata) as {
    consentData: { title: string; data: string[] }[];
    accounts: { account_id: string; display_name: string }[];
    application: string;
  };
  console.log(`${application} asks:`);
  for (const { title, data } of consentData) console.log(`${title}: ${data.join(', ')}`);
  console.log(`Accounts: ${accounts.map(({ display_name }) => display_name).join(', ')}`);
  const approvedAccountIds = res === 'SUCCESSFUL' ? accounts.map(({ account_id }) => account_id) : [];
  const claims = { sid: push.sessionDataKey, chg: push.challenge, mta: JSON.stringify({ approvedAccountIds }), res };
  const { status } = await send(device.hst + device.ae, json({ authResponse: signed(device, claims) }));
  console.log(status);
};

/** Ends the device by its own token. */
const remove = (device: Device) =>
  send(`${device.hst}${device.bp}/push-auth/devices/${device.did}/remove`, json({ token: signed(device, { act: 'REMOVE' }) }));

const kept = (): Device => JSON.parse(readFileSync(FILE, 'utf8'));
const pushIn = (file: string): Push => JSON.parse(readFileSync(file, 'utf8'));
const [command, first = '', second = '', third = ''] = process.argv.slice(2);
switch (command) {
  case 'register': {
    const device = await register(first, second, third);
    writeFileSync(FILE, JSON.stringify(device), { mode: 0o600 });
    console.log(`registered ${device.did}`);
    break;
  }
  case 'approve':
    await answer(kept(), pushIn(first), 'SUCCESSFUL');
    break;
  case 'deny':
    await answer(kept(), pushIn(first), 'DENIED');
    break;
  case 'remove':
    await remove(kept());
    console.log('removed');
    break;
  default:
    console.log('push-auth-device.ts register <username> <password> <pushId> | approve <push.json> | deny <push.json> | remove');
    process.exitCode = 1;
}
