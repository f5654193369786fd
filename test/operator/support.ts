import { tmpdir } from 'node:os';
import { afterEach } from '@jest/globals';
import { type Config, loadConfig } from '../../src/config.ts';
import { type TestEngine, testEngine } from '../support/engine.ts';
import { freePort } from '../support/ports.ts';
import { freshEnvironment } from '../support/served.ts';

/** Starts engines, each of which is closed behind its test. */
export const enginesOfTests = (): typeof testEngine => {
  const opened: TestEngine[] = [];
  afterEach(async () => {
    for (const tested of opened.splice(0)) await tested.close();
  });
  return async (...args) => {
    const tested = await testEngine(...args);
    opened.push(tested);
    return tested;
  };
};

/** The settings of an engine of its own, which operators can ask. */
export const watchedConfig = async (more: Record<string, string> = {}): Promise<Config> => {
  const env = await freshEnvironment({ COUNTERSIGN_OPERATOR_PORT: String(await freePort()), ...more });
  return loadConfig({ env, cwd: tmpdir() }).config;
};

/** Where they ask it. */
export const operatorOf = ({ operator }: Config): string => `http://127.0.0.1:${operator.port}`;
