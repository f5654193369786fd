import { BlockList, isIP } from 'node:net';

/** Multicast and the IANA IPv4 Special-Purpose Address Registry (RFC 6890), its globally reachable entries included. */
const SPECIAL_IPV4 = [
  '0.0.0.0/8', // this network
  '10.0.0.0/8', // private use
  '100.64.0.0/10', // shared address space
  '127.0.0.0/8', // loopback
  '169.254.0.0/16', // link local
  '172.16.0.0/12', // private use
  '192.0.0.0/24', // IETF protocol assignments
  '192.0.2.0/24', // documentation
  '192.31.196.0/24', // AS112
  '192.52.193.0/24', // AMT
  '192.88.99.0/24', // 6to4 relay anycast
  '192.168.0.0/16', // private use
  '192.175.48.0/24', // AS112
  '198.18.0.0/15', // benchmarking
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, and limited broadcast
  '168.63.129.16/32', // in no registry: Azure answers here from inside of each virtual machine
];

/**
 * What IANA has given to global unicast (RFC 4291, section 2.4). Outside are loopback, ::ffff:0:0/96 and ::/96 (IPv4 inside),
 * 64:ff9b::/96 and 64:ff9b:1::/48 (NAT64), discard-only, SRv6 SIDs, unique local, link local, site local, and multicast.
 */
const GLOBAL_IPV6 = ['2000::/3'];

/** The rest of the IANA IPv6 Special-Purpose Address Registry. */
const SPECIAL_IPV6 = [
  '2001::/23', // IETF protocol assignments: Teredo, benchmarking, ORCHID, AMT, DRIP …
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4
  '2620:4f:8000::/48', // AS112
  '3fff::/20', // documentation
];

// One list per family: a list would take an IPv4 address for its mapped form and find it in blocks of IPv6.
const listOf = (family: 'ipv4' | 'ipv6', blocks: readonly string[]): BlockList => {
  const list = new BlockList();
  for (const block of blocks) {
    const [network = '', prefix] = block.split('/');
    list.addSubnet(network, Number(prefix), family);
  }
  return list;
};

const specialIpv4 = listOf('ipv4', SPECIAL_IPV4);
const globalIpv6 = listOf('ipv6', GLOBAL_IPV6);
const specialIpv6 = listOf('ipv6', SPECIAL_IPV6);

/** Whether the text is an IPv4 or IPv6 address that a host on the public internet can have. One with a zone is none. */
export const isPublicAddress = (address: string): boolean => {
  switch (address.includes('%') ? 0 : isIP(address)) {
    case 4:
      return !specialIpv4.check(address, 'ipv4');
    case 6:
      return globalIpv6.check(address, 'ipv6') && !specialIpv6.check(address, 'ipv6');
    default:
      return false;
  }
};
