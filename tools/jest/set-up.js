import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** One folder holds all that the tests of a run write: what stands in a test hears nothing of the end of its process. */
export default () => {
  process.env.TEST_FOLDER = mkdtempSync(join(tmpdir(), 'countersign-test-'));
  // Of the hundreds of engines and commands that are started, most of the time is the compiling of the same modules.
  process.env.NODE_COMPILE_CACHE ??= join(process.env.TEST_FOLDER, 'compiled');
};
