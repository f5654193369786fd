// What a lookup costs at least behind Express: one indexed row of SQLite as the answer, and nothing checked. See target.ts.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseArgs } from 'node:util';
import express from 'express';
import { accountOf, consentIdOf, type Filling, tokenOf, userOf } from './filling.ts';
import { announce } from './measure.ts';
import type { Target } from './target.ts';

const { values: given } = parseArgs({ options: { data: { type: 'string', default: '.' } }, strict: false });

const db = new DatabaseSync(join(String(given['data']), 'limit.sqlite'));
db.exec(`pragma journal_mode=wal; pragma synchronous=normal;
  create table consent (consent_id text primary key, content text not null) strict, without rowid;
  create table device (token text primary key, content text not null) strict, without rowid`);
const consent = db.prepare('select content from consent where consent_id = ?');
const device = db.prepare('select content from device where token = ?');

const fill = ({ of, count }: Filling): void => {
  const insert = db.prepare(of === 'consents' ? 'insert into consent values (?, ?)' : 'insert into device values (?, ?)');
  // As long as what ours answers.
  const filler = randomBytes(300).toString('base64url');
  db.exec('begin');
  for (let n = 0; n < count; n += 1) {
    const id = of === 'consents' ? consentIdOf(n) : userOf(n);
    const content =
      of === 'consents'
        ? { isValid: true, consentInformation: `${accountOf(userOf(n))}.${filler}.${filler}.${filler}` }
        : [{ deviceId: id, name: 'Phone', model: 'Bench', registrationTime: '2026-01-01T00:00:00Z', lastUsedTime: null }];
    insert.run(of === 'consents' ? id : tokenOf(id), JSON.stringify(content));
  }
  db.exec('commit');
};

interface Found {
  content: string;
}

const app = express().disable('x-powered-by').disable('etag');
app.post('/validate', express.text({ type: 'application/jwt' }), (req, res) => {
  const { consentId } = JSON.parse(Buffer.from(String(req.body).split('.')[1] ?? '', 'base64url').toString()) as { consentId: string };
  res.type('json').send((consent.get(consentId) as Found | undefined)?.content);
});
app.get('/devices', (req, res) => {
  const token = (req.headers.authorization ?? '').slice('Bearer '.length);
  res.type('json').send((device.get(token) as Found | undefined)?.content);
});

const server = createServer({ keepAliveTimeout: 75_000 }, app).listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as AddressInfo;
const none = { clientId: 'none', clientSecret: 'none' };
const keyed = { clientId: 'none', jwk: {} };
const target: Target = {
  issuer: `http://127.0.0.1:${port}`,
  paths: { ciba: '', token: '', introspection: '', validate: '/validate', devices: '/devices' },
  clients: { secret: none, privateKeyJwt: keyed, signedRequest: keyed, ping: none, gateway: none },
  requests: [],
  approval: './ours-approval.ts',
  approver: {},
};
announce(port, target, { fill });
