import { writeSync } from 'node:fs';
import { localLimits } from '../../../src/adapters/limits/local.ts';

// Is told to slow down one request and not the other, spends all of a budget, prints what it was told, and waits to be killed.
const [file = '', secret = ''] = process.argv.slice(2);
const limits = localLimits(file, { clock: () => 0, nowMs: () => 0, secret: Buffer.from(secret, 'hex') });
const pace = { intervalSeconds: 5, slowDownSeconds: 5 };
const budget = limits.budget('tries', { count: 2, seconds: 60 });
const polls = ['slowed', 'slowed', 'never'].map((requestId) => limits.tooSoon(requestId, pace, 100));
writeSync(1, `${JSON.stringify([...polls, ...[1, 2, 3].map(() => budget.spend('alice'))])}\n`);
setInterval(() => undefined, 60_000);
