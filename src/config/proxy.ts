import { isIP } from 'node:net';
import { z } from 'zod';

const isAddressOrNetwork = (value: string) => {
  const [address = '', bits, ...more] = value.split('/');
  const longest = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  return longest > 0 && more.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= longest));
};

/** The reverse proxies that stand in front of the engine. */
export const proxySettings = z.strictObject({
  trusted: z
    .array(z.string().refine(isAddressOrNetwork, 'expected an IP address or a network such as 10.0.0.0/8'))
    .default([])
    .describe('The addresses of the reverse proxies that are believed when they say which certificate their client has shown.'),
  certificateHeader: z
    .string()
    .regex(/^[A-Za-z0-9-]+$/, 'expected the name of a header')
    .nullable()
    .default(null)
    .describe('The header in which they say it; they must remove it from what their own clients send.'),
  certificateFormat: z
    .enum(['rfc9440', 'nginx', 'envoy'])
    .default('rfc9440')
    .describe('How it is written: as RFC 9440 has it, as $ssl_client_escaped_cert of nginx, or as x-forwarded-client-cert of Envoy.'),
});

/** What is wrong with settings that are each right. */
export const wrongProxy = ({ trusted, certificateHeader }: z.infer<typeof proxySettings>): (string | false)[] => [
  trusted.length > 0 !== (certificateHeader !== null) && 'proxy.trusted and proxy.certificate_header: expected both or neither',
];
