export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': '<rootDir>/tools/jest/strip-types.js' },
  reporters: ['default', '<rootDir>/tools/jest/closing-line.js'],
  // Most of a suite is waiting and loading: two cores are better used by two.
  maxWorkers: '100%',
  testTimeout: 30_000,
};
