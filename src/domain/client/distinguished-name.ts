export { sameSubject } from '../../adapters/tls/distinguished-name.ts';
