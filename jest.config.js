export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': '<rootDir>/tools/jest/strip-types.js' },
  globalSetup: '<rootDir>/tools/jest/set-up.js',
  globalTeardown: '<rootDir>/tools/jest/tear-down.js',
  reporters: ['default', '<rootDir>/tools/jest/closing-line.js'],
  // Most of a suite is waiting and loading: two cores are better used by two.
  maxWorkers: '100%',
  // Files leave memory behind in their worker. Giving back more than that at its end takes longer than jest waits: it would speak of open handles.
  workerIdleMemoryLimit: '500MB',
  testTimeout: 30_000,
};
