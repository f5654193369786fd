import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isPublicAddress } from '../../../src/adapters/outbound/public-address.ts';

// The first and the last address of each block, and what stands right before and after it.
const IPV4_BLOCKS: [before: string | null, first: string, last: string, after: string | null][] = [
  [null, '0.0.0.0', '0.255.255.255', '1.0.0.0'],
  ['9.255.255.255', '10.0.0.0', '10.255.255.255', '11.0.0.0'],
  ['100.63.255.255', '100.64.0.0', '100.127.255.255', '100.128.0.0'],
  ['126.255.255.255', '127.0.0.0', '127.255.255.255', '128.0.0.0'],
  ['168.63.129.15', '168.63.129.16', '168.63.129.16', '168.63.129.17'],
  ['169.253.255.255', '169.254.0.0', '169.254.255.255', '169.255.0.0'],
  ['172.15.255.255', '172.16.0.0', '172.31.255.255', '172.32.0.0'],
  ['191.255.255.255', '192.0.0.0', '192.0.0.255', '192.0.1.0'],
  ['192.0.1.255', '192.0.2.0', '192.0.2.255', '192.0.3.0'],
  ['192.31.195.255', '192.31.196.0', '192.31.196.255', '192.31.197.0'],
  ['192.52.192.255', '192.52.193.0', '192.52.193.255', '192.52.194.0'],
  ['192.88.98.255', '192.88.99.0', '192.88.99.255', '192.88.100.0'],
  ['192.167.255.255', '192.168.0.0', '192.168.255.255', '192.169.0.0'],
  ['192.175.47.255', '192.175.48.0', '192.175.48.255', '192.175.49.0'],
  ['198.17.255.255', '198.18.0.0', '198.19.255.255', '198.20.0.0'],
  ['198.51.99.255', '198.51.100.0', '198.51.100.255', '198.51.101.0'],
  ['203.0.112.255', '203.0.113.0', '203.0.113.255', '203.0.114.0'],
  ['223.255.255.255', '224.0.0.0', '255.255.255.255', null],
];

const IPV6_BLOCKS: typeof IPV4_BLOCKS = [
  [null, '::', '1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '2000::'],
  ['2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '2001::', '2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff', '2001:200::'],
  ['2001:db7:ffff:ffff:ffff:ffff:ffff:ffff', '2001:db8::', '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', '2001:db9::'],
  ['2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '2002::', '2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '2003::'],
  ['2620:4f:7fff:ffff:ffff:ffff:ffff:ffff', '2620:4f:8000::', '2620:4f:8000:ffff:ffff:ffff:ffff:ffff', '2620:4f:8001::'],
  ['3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '3fff::', '3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff', '3fff:1000::'],
  ['3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '4000::', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', null],
];

describe('an address is public', () => {
  test.each([...IPV4_BLOCKS, ...IPV6_BLOCKS])(
    'right before and after, but not in a block (%s, %s … %s, %s)',
    (before, first, last, after) => {
      expect([first, last].map(isPublicAddress)).toEqual([false, false]);
      expect([before, after].filter((address) => address !== null).every(isPublicAddress)).toBe(true);
    },
  );

  test.each([
    ['loopback', '::1'],
    ['mapped IPv4', '::ffff:8.8.8.8'],
    ['mapped IPv4 in hexadecimal', '::ffff:7f00:1'],
    ['compatible IPv4', '::8.8.8.8'],
    ['translated IPv4', '::ffff:0:8.8.8.8'],
    ['NAT64', '64:ff9b::8.8.8.8'],
    ['local-use NAT64', '64:ff9b:1::1'],
    ['discard-only', '100::1'],
    ['dummy prefix', '100:0:0:1::1'],
    ['Teredo', '2001::1'],
    ['benchmarking', '2001:2::1'],
    ['ORCHIDv2', '2001:20::1'],
    ['6to4 of 127.0.0.1', '2002:7f00:1::'],
    ['SRv6 SID', '5f00::1'],
    ['unique local', 'fc00::1'],
    ['unique local of a cloud', 'fd00:ec2::254'],
    ['link local', 'fe80::1'],
    ['link local with a zone', 'fe80::1%lo'],
    ['site local', 'fec0::1'],
    ['multicast', 'ff02::1'],
    ['public with a zone', '2606:4700::1111%lo'],
    ['name', 'localhost'],
    ['number', '2130706433'],
    ['nothing', ''],
  ])('unless it is of another kind: %s', (_kind, address) => expect(isPublicAddress(address)).toBe(false));

  test.each(['8.8.8.8', '93.184.215.14', '2606:4700:4700::1111', '2A00:1450:4001:0830:0000:0000:0000:200E'])('as %s is', (address) =>
    expect(isPublicAddress(address)).toBe(true),
  );

  test('never when it carries an IPv4 address inside of an IPv6 one', () => {
    const hex = fc.integer({ min: 0, max: 0xffff }).map((group) => group.toString(16));
    const forms = [
      (v4: string) => `::ffff:${v4}`,
      (v4: string) => `::${v4}`,
      (v4: string) => `64:ff9b::${v4}`,
      (v4: string) => `2002:${v4}::1`,
    ];
    fc.assert(fc.property(hex, hex, fc.constantFrom(...forms), (high, low, form) => !isPublicAddress(form(`${high}:${low}`))));
  });
});
