import { BlockList, isIP } from 'node:net';
import { networkInterfaces } from 'node:os';

const blocked4 = new BlockList();
for (const [net, bits] of [
  ['0.0.0.0', 8], // this network; 0.0.0.0 reaches loopback
  ['10.0.0.0', 8], // private
  ['100.64.0.0', 10], // carrier-grade NAT, with Alibaba's metadata at 100.100.100.200
  ['127.0.0.0', 8], // loopback
  ['168.63.129.16', 32], // Azure's host services: a public number that is never outside
  ['169.254.0.0', 16], // link-local, with the clouds' metadata at 169.254.169.254
  ['172.16.0.0', 12], // private
  ['192.0.0.0', 24], // protocol assignments, with Oracle's metadata at 192.0.0.192
  ['192.0.2.0', 24], // documentation
  ['192.88.99.0', 24], // 6to4 relays
  ['192.168.0.0', 16], // private
  ['198.18.0.0', 15], // benchmarking
  ['198.51.100.0', 24], // documentation
  ['203.0.113.0', 24], // documentation
  ['224.0.0.0', 4], // multicast
  ['240.0.0.0', 4], // reserved, and broadcast
] as const) {
  blocked4.addSubnet(net, bits, 'ipv4');
}

/** Of IPv6 only 2000::/3 is handed out to the world; these parts of it are not. */
const global6 = new BlockList();
global6.addSubnet('2000::', 3, 'ipv6');
const blocked6 = new BlockList();
for (const [net, bits] of [
  ['2001::', 23], // protocol assignments: Teredo, benchmarking, ORCHID
  ['2001:db8::', 32], // documentation
  ['2002::', 16], // 6to4: any IPv4 address can be inside, and nobody needs it
  ['3fff::', 20], // documentation
] as const) {
  blocked6.addSubnet(net, bits, 'ipv6');
}

/** These only wrap an IPv4 address in their last 32 bits: mapped, and translated (NAT64), which some networks use for all. */
const wrapping4 = new BlockList();
wrapping4.addSubnet('64:ff9b::', 96, 'ipv6');

/**
 * Whether a connection to this address could reach what is not the public internet: this host, its networks, the
 * metadata of a cloud. What is not an address counts as such.
 *
 * @param address IPv4 in dots, or IPv6 without brackets.
 */
export function isInside(address: string): boolean {
  const plain = address.replace(/%.*$/, '');
  const family = isIP(plain);
  if (family === 4) return blocked4.check(plain, 'ipv4') || isOwn(plain);
  if (family !== 6) return true;
  const mapped = wrapping4.check(plain, 'ipv6') || isMapped(plain);
  if (mapped) return isInside(lastFourBytes(plain));
  return !global6.check(plain, 'ipv6') || blocked6.check(plain, 'ipv6') || isOwn(plain);
}

/** A public address of this host reaches what listens on all interfaces, past the firewall before it. */
function isOwn(address: string): boolean {
  return Object.values(networkInterfaces()).some((list) => list?.some((entry) => entry.address === address));
}

/** In URL's spelling, where an IPv6 address is compressed and has no dots. */
function canonical6(address: string): string {
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}

function isMapped(address: string): boolean {
  return /^::ffff:[0-9a-f]{1,4}:[0-9a-f]{1,4}$/.test(canonical6(address));
}

function lastFourBytes(address: string): string {
  const [high = '0', low = '0'] = canonical6(address).split(':').slice(-2);
  const bytes = [high, low].flatMap((group) => {
    const number = Number.parseInt(group || '0', 16);
    return [number >> 8, number & 0xff];
  });
  return bytes.join('.');
}
