import { rmSync } from 'node:fs';

/** Takes away what the tests of a run have written. */
export default () => rmSync(process.env.TEST_FOLDER, { recursive: true, force: true });
