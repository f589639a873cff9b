import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { aptConfig, hasDebianTools, librariesIn } from '../../../lib/servers/debianPackages.ts';
import { ensureServersFolder } from '../../../lib/servers/folder.ts';
import { ensureServers, findServersFolder, stopServers } from '../../../lib/servers/index.ts';
import { testServers } from '../../harness/servers.ts';
import { suite } from '../../harness/suite.ts';
import { temporaryHome } from '../../harness/temporaryHome.ts';

const test = suite('servers: unpacked packages', { timeoutMs: 60_000 });

(hasDebianTools() ? test : test.skip)(
  'Redis is unpacked from the distribution, once, after what an interrupted try left',
  async () => {
    const { layout, remove } = temporaryHome();
    const { postgres } = await testServers();
    const folder = await ensureServersFolder(layout);
    const interrupted = path.join(folder.path, 'work-killed', 'redis', 'root');
    mkdirSync(interrupted, { recursive: true });
    writeFileSync(path.join(interrupted, 'half'), '');
    const options = { layout, databaseUrl: postgres.adminUrl, allowInstalled: false };
    const lines: string[] = [];
    const began = performance.now();
    const { redis } = await ensureServers({ ...options, onProgress: (line) => lines.push(line) });
    console.log(`(unpacked and started in ${Math.round(performance.now() - began)} ms)`);
    assert.is(redis.origin, 'unpacked');
    assert.ok(lines.some((line) => /Downloading .*redis-server/.test(line)));
    assert.not(
      lines.some((line) => /postgresql/.test(line)),
      'only what is missing',
    );
    const { path: place } = findServersFolder(layout)!;
    assert.ok(existsSync(path.join(place, 'unpacked', 'redis', 'usr', 'bin', 'redis-server')));
    assert.not(readdirSync(place).some((name) => name.startsWith('work-')));

    await stopServers({ layout });
    const later: string[] = [];
    await ensureServers({ ...options, onProgress: (line) => later.push(line) });
    assert.not(
      later.some((line) => /Download/.test(line)),
      later.join(),
    );
    await remove();
  },
);

test('of a planned installation the libraries are taken, without those of the running system', () => {
  const planned = [
    'The following NEW packages will be installed:',
    "'http://x/pool/libj/libjemalloc2_5.3.0-1_amd64.deb' libjemalloc2_5.3.0-1_amd64.deb 275000 SHA256:0",
    "'http://x/pool/libc6_2.36_amd64.deb' libc6_2.36_amd64.deb 1 SHA256:0",
    "'http://x/pool/libc-bin_2.36_amd64.deb' libc-bin_2.36_amd64.deb 1 SHA256:0",
    "'http://x/pool/libllvm14_1_amd64.deb' libllvm14_1%3a14_amd64.deb 1 SHA256:0",
    "'http://x/pool/libjson-perl_4_all.deb' libjson-perl_4_all.deb 1 SHA256:0",
    "'http://x/pool/libpq-dev_15_amd64.deb' libpq-dev_15_amd64.deb 1 SHA256:0",
    "'http://x/pool/ssl-cert_1_all.deb' ssl-cert_1_all.deb 1 SHA256:0",
    "'http://x/pool/libpq5_15_amd64.deb' libpq5_15_amd64.deb 1 SHA256:0",
  ].join('\n');
  assert.equal(librariesIn(planned), ['libjemalloc2', 'libpq5']);
});

test('apt keeps the settings of the machine, without its hooks and folders', () => {
  const machine = [
    'Acquire::http::Proxy "http://proxy:3128";',
    'APT::Update::Post-Invoke:: "rm -f /var/cache/apt/archives/*.deb";',
    'DPkg::Post-Invoke:: "x";',
    'Dir::Cache::pkgcache "";',
    'Dir::Etc::parts "apt.conf.d";',
    'Dir::Etc::sourceparts "sources.list.d";',
  ].join('\n');
  const config = aptConfig(machine, '/private');
  assert.match(config, 'Acquire::http::Proxy "http://proxy:3128";');
  assert.match(config, 'Dir::Etc::sourceparts "sources.list.d";');
  assert.match(config, 'Dir::State::lists "/private/lists/";');
  assert.match(config, 'Dir::Etc::parts "/dev/null";');
  assert.not.match(config, /Invoke|pkgcache ""/);
});

test.run();
