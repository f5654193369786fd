export default {
  testEnvironment: 'node',
  roots: ['<rootDir>/test'],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': '<rootDir>/tools/jest/strip-types.js' },
  reporters: ['default', '<rootDir>/tools/jest/closing-line.js'],
  testTimeout: 30_000,
};
