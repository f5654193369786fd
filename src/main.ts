#!/usr/bin/env node
import { serveCommand } from './cli/serve.ts';

await serveCommand({});
