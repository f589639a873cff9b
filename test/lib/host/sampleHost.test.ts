import assert from 'node:assert/strict';
import { statfs } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import os from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { sampleHost } from '../../../lib/host/index.ts';
import { suite } from '../../harness/suite.ts';

const test = suite('sampleHost');

test('tells what the system itself tells', async () => {
  const sample = await sampleHost({ paths: ['/', os.tmpdir(), '/'] });
  assert.equal(sample.system?.hostname, os.hostname());
  assert.equal(sample.system?.kernel, os.release());
  assert.ok(sample.system!.os.length > 0);
  assert.ok(Math.abs(sample.system!.uptime_seconds - os.uptime()) < 10);
  assert.equal(sample.cpu?.count, os.cpus().length);
  assert.ok(Math.abs(sample.cpu!.load_15m - os.loadavg()[2]!) < 1);
  assert.ok(Math.abs(sample.memory!.total_bytes - os.totalmem()) < 1e6);
  assert.ok(sample.memory!.available_bytes > 0 && sample.memory!.available_bytes <= sample.memory!.total_bytes);
  assert.ok(Math.abs(Date.parse(sample.taken_at) - Date.now()) < 10_000);

  const root = await statfs('/');
  assert.deepEqual(
    sample.disks?.map(({ path }) => path),
    ['/', os.tmpdir()],
  );
  const disk = sample.disks![0]!;
  assert.equal(disk.total_bytes, root.blocks * root.bsize);
  assert.ok(Math.abs(disk.available_bytes - root.bavail * root.bsize) < 5e8);
  assert.ok(disk.used_percent >= 0 && disk.used_percent <= 100);
});

async function withListener(host: string, use: (port: number) => Promise<void>) {
  const server = createServer();
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, host, resolve));
  try {
    await use((server.address() as AddressInfo).port);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
}

test('sees the ports that this process listens on', async () => {
  for (const host of Object.values(os.networkInterfaces())
    .flat()
    .filter((entry) => entry!.internal)
    .map((entry) => entry!.address)) {
    await withListener(host, async (port) => {
      const { listening } = await sampleHost();
      const mine = listening!.find((socket) => socket.port === port);
      assert.equal(mine?.address, host);
      assert.match(mine!.process!, /node|MainThread/);
    });
  }
});

test('lists the five largest processes, the largest first, without arguments', async () => {
  const { largest_processes } = await sampleHost();
  const sizes = largest_processes!.map(({ rss_bytes }) => rss_bytes);
  assert.ok(sizes.length > 0 && sizes.length <= 5);
  assert.deepEqual(
    sizes,
    [...sizes].sort((a, b) => b - a),
  );
  assert.ok(sizes[0]! >= process.memoryUsage().rss / 2);
  assert.ok(largest_processes!.every(({ name }) => !name.includes(' -')));
});

test('what cannot be read is absent with a reason, and the rest is there', async () => {
  const sample = await sampleHost({ paths: ['/', '/no/such/folder'] });
  assert.equal(sample.disks?.length, 1);
  assert.equal(sample.unavailable.length, 1);
  assert.match(sample.unavailable[0]!, /^disk \/no\/such\/folder: ENOENT/);
  assert.equal((await sampleHost({ paths: ['/no/such/folder'] })).disks, null);
});

test('what is late is absent with a reason', async () => {
  await setTimeout(700); // systeminformation repeats its last list of processes for half a second
  const sample = await sampleHost({ timeoutMs: 1 });
  assert.equal(sample.largest_processes, null);
  assert.ok(sample.unavailable.includes('largest_processes: no answer within 1 ms'), sample.unavailable.join());
});

test('names end in their unit, and the sample is plain data', async () => {
  const sample = await sampleHost();
  assert.deepEqual(JSON.parse(JSON.stringify(sample)), sample);
  const units = /_(bytes|percent|seconds|at|1m|5m|15m)$|^(count|port|pid)$/;
  const visit = (value: unknown, name: string): void => {
    if (typeof value === 'number') assert.match(name, units);
    else if (Array.isArray(value)) for (const member of value) visit(member, name);
    else if (typeof value === 'object' && value) for (const [key, member] of Object.entries(value)) visit(member, key);
  };
  visit(sample, '');
});

test.run();
