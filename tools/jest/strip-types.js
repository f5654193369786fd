import { stripTypeScriptTypes } from 'node:module';

const code = (source) => ({ code: stripTypeScriptTypes(source) });

/** Jest's transformer: Node's own type stripping, so that tests run the source as `npm start` does. */
export default { process: code, processAsync: async (source) => code(source) };
