import { readFile } from 'node:fs/promises';
import { systemClock } from '../adapters/clock.ts';
import { type Identity, identityProblem } from '../adapters/tls/servers.ts';
import { type Config, ConfigError } from '../config.ts';

/** What both listeners show and whom they trust; `caFile` is that of development's own CA. */
export interface Tls extends Identity {
  clientCas: string[];
  caFile: string | null;
}

/** The base URL of the listener that asks for a client certificate. */
export const mtlsBaseOf = ({ issuer, server }: Config): string => {
  const url = new URL(issuer);
  url.port = String(server.mtlsPort);
  return url.href.replace(/\/$/, '');
};

/** The certificates that the settings name; in development those of a CA of its own in the directory. */
export const tlsOf = async ({ tls }: Config, dir: string): Promise<Tls> => {
  const clientCas = await Promise.all(tls.clientCaFiles.map((file) => readFile(file, 'utf8')));
  if (tls.certificateFile !== null && tls.keyFile !== null) {
    const [certificate, key] = await Promise.all([readFile(tls.certificateFile, 'utf8'), readFile(tls.keyFile, 'utf8')]);
    const problem = identityProblem({ certificate, key }, systemClock());
    if (problem !== null) throw new ConfigError([`tls.certificate_file and tls.key_file: ${problem}`]);
    return { certificate, key, clientCas, caFile: null };
  }
  // Loaded only here: production needs nothing that makes certificates.
  const { developmentTls, thisMachine } = await import('../adapters/tls/development-ca.ts');
  const { certificate, key, ca, caFile } = await developmentTls(dir, { ...thisMachine(), now: systemClock() });
  return { certificate, key, clientCas: [...clientCas, ca], caFile };
};
