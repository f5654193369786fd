import { outboundClient } from '../../../src/adapters/outbound/outbound.ts';

// Calls each port on the command line by a name in the certificate and by another, and prints the statuses and the reasons of failure.
const [ca = '', ...ports] = process.argv.slice(2);
const urls = ports.flatMap((port) => [`https://tpp.example:${port}/`, `https://other.example:${port}/`]);
const allowedHosts = urls.map((url) => new URL(url).host);
const { fetch } = outboundClient({ development: true, allowedHosts, ca, resolve: async () => ['127.0.0.1'] });
const call = (url: string) =>
  fetch({ method: 'GET', url }).then(
    ({ status }) => status,
    ({ reason }) => reason,
  );
process.stdout.write(JSON.stringify(await Promise.all(urls.map(call))));
