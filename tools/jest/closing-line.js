/** Prints one plain line that any CI can read. */
export default class {
  onRunComplete(_contexts, results) {
    const line = `${results.numPassedTests} passed, ${results.numFailedTests} failed, ${results.numPendingTests} skipped`;
    process.once('exit', () => console.log(line));
  }
}
