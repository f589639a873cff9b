import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { networkInterfaces } from 'node:os';
import fc from 'fast-check';
import { isInside } from '../../../lib/fetch/index.ts';
import { suite } from '../../harness/suite.ts';

const test = suite('isInside');

test('what is outside is let through', () => {
  for (const address of [
    '8.8.8.8',
    '1.1.1.1',
    '93.184.215.14',
    '172.32.0.1',
    '100.128.0.1',
    '2606:4700::1111',
    '2a00:1450:4001:80b::200e',
    '::ffff:8.8.8.8',
    '64:ff9b::808:808',
  ]) {
    assert.equal(isInside(address), false, address);
  }
});

test('what is inside is not', () => {
  for (const address of [
    '0.0.0.0',
    '0.1.2.3',
    '10.255.255.255',
    '100.64.0.1',
    '127.255.0.1',
    '168.63.129.16',
    '169.254.169.254',
    '172.16.0.1',
    '172.31.255.255',
    '192.0.0.192',
    '192.0.2.1',
    '192.88.99.1',
    '192.168.0.1',
    '198.18.0.1',
    '198.19.255.255',
    '198.51.100.1',
    '203.0.113.1',
    '224.0.0.1',
    '239.255.255.255',
    '240.0.0.1',
    '255.255.255.255',
    '::',
    '::1',
    '::7f00:1',
    '::127.0.0.1',
    '::ffff:127.0.0.1',
    '::ffff:7f00:1',
    '::ffff:0:7f00:1',
    '0:0:0:0:0:ffff:10.0.0.1',
    '64:ff9b::7f00:1',
    '64:ff9b::10.0.0.1',
    '64:ff9b:1::7f00:1',
    '64:ff9b::',
    '100::1',
    '2001::1',
    '2001:2::1',
    '2001:10::1',
    '2001:db8::1',
    '2002:7f00:1::',
    '3fff::1',
    '5f00::1',
    'fc00::1',
    'fd00:ec2::254',
    'fe80::1',
    'fe80::1%eth0',
    'fec0::1',
    'ff02::1',
    'ff0e::1',
    '',
    'localhost',
    '127.1',
    '0x7f.0.0.1',
    '[::1]',
    '1.2.3.4 ',
  ]) {
    assert.equal(isInside(address), true, address);
  }
});

test('an address of this host is inside', () => {
  for (const entry of Object.values(networkInterfaces()).flat())
    assert.equal(isInside(entry!.address), true, entry!.address);
});

test('an address is judged alike in each way to wrap it', () => {
  const byte = fc.integer({ min: 0, max: 255 });
  fc.assert(
    fc.property(fc.tuple(byte, byte, byte, byte), (bytes) => {
      const dotted = bytes.join('.');
      const hex = `${((bytes[0]! << 8) | bytes[1]!).toString(16)}:${((bytes[2]! << 8) | bytes[3]!).toString(16)}`;
      const verdict = isInside(dotted);
      for (const wrapped of [`::ffff:${dotted}`, `::ffff:${hex}`, `64:ff9b::${hex}`])
        assert.equal(isInside(wrapped), verdict, wrapped);
      assert.equal(isInside(`2002:${hex}::1`), true);
    }),
    { numRuns: 500 },
  );
});

test('no IPv6 address but global unicast and the wrapping ones is outside', () => {
  const global = new BlockList();
  global.addSubnet('2000::', 3, 'ipv6');
  global.addSubnet('::ffff:0:0', 96, 'ipv6');
  global.addSubnet('64:ff9b::', 96, 'ipv6');
  fc.assert(
    fc.property(fc.ipV6(), (address) => isInside(address) || global.check(address, 'ipv6')),
    { numRuns: 500 },
  );
});

test.run();
