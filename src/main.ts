#!/usr/bin/env node
import { run } from './cli/program.ts';

await run(['serve', ...process.argv.slice(2)]);
