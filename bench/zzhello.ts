import { createServer } from 'node:http';
import { once } from 'node:events';
import { announce } from './measure.ts';
const server = createServer({ keepAliveTimeout: 75_000 }, (req, res) => {
  const chunks: Buffer[] = [];
  req.on('data', (c) => chunks.push(c));
  req.on('end', () => { const body = Buffer.concat(chunks).toString(); const out = '{"auth_req_id":"mfd1234567890123456789012345678901234567890","expires_in":300,"interval":5,"n":' + body.length + '}'; res.writeHead(200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', 'Content-Length': Buffer.byteLength(out) }); res.end(out); });
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const port = (server.address() as any).port;
announce(port, { issuer: 'x', paths: { ciba: '/oauth2/ciba', token: '/oauth2/token', introspection: '/oauth2/introspect' }, clients: { secret: { clientId: 'a', clientSecret: 'b' }, privateKeyJwt: { clientId: 'c', jwk: {} as any } }, requests: [{ scope: 'openid accounts', login_hint: 'user-1', binding_message: 'Payment 1' }], approval: './peer-approval.ts' });
