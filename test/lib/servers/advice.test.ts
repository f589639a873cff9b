import * as assert from 'uvu/assert';
import { accountsIn, preferredAccount } from '../../../lib/servers/account.ts';
import { postgresUrl, socketIn } from '../../../lib/servers/endpoint.ts';
import { familiesIn, installCommand, missingServer } from '../../../lib/servers/installAdvice.ts';
import { suite } from '../../harness/suite.ts';

const test = suite('servers: what is said and chosen');

test('each system is told its own package command', () => {
  const linux = (...families: string[]) => ({ platform: 'linux', families, root: false });
  const cases = [
    [linux('debian'), 'sudo apt-get install -y postgresql', 'sudo apt-get install -y redis-server'],
    [
      linux('linuxmint', 'ubuntu', 'debian'),
      'sudo apt-get install -y postgresql',
      'sudo apt-get install -y redis-server',
    ],
    [
      linux('rocky', 'rhel', 'centos', 'fedora'),
      'sudo dnf install -y postgresql-server postgresql-contrib',
      'sudo dnf install -y valkey',
    ],
    [linux('arch'), 'sudo pacman -S --noconfirm postgresql', 'sudo pacman -S --noconfirm valkey'],
    [linux('alpine'), 'sudo apk add postgresql postgresql-contrib postgresql-client', 'sudo apk add redis'],
    [{ platform: 'darwin', families: [], root: false }, 'brew install postgresql@17', 'brew install redis'],
    [{ ...linux('debian'), root: true }, 'apt-get install -y postgresql', 'apt-get install -y redis-server'],
    [linux('haiku'), null, null],
  ] as const;
  for (const [system, postgres, redis] of cases) {
    assert.is(installCommand('postgres', system), postgres);
    assert.is(installCommand('redis', system), redis);
  }
});

test('the error for a missing server names the command, the variable and what was tried', () => {
  const system = { platform: 'linux', families: ['fedora'], root: true };
  const postgres = missingServer('postgres', system, ['/usr/bin is PostgreSQL 13, which is older than 15']);
  assert.is(postgres.code, 'E_NO_POSTGRES');
  assert.is(postgres.exitCode, 78);
  assert.match(postgres.format(), /dnf install -y postgresql-server/);
  assert.match(postgres.format(), /DATABASE_URL/);
  assert.match(postgres.format(), /older than 15/);
  const redis = missingServer('redis', { ...system, families: [] }, []);
  assert.is(redis.code, 'E_NO_REDIS');
  assert.match(redis.remedy!, /package manager.*REDIS_URL/);
});

test('the family of a system is read from os-release', () => {
  assert.equal(familiesIn('PRETTY_NAME="X"\nID=rocky\nID_LIKE="rhel centos fedora"\n'), [
    'rocky',
    'rhel',
    'centos',
    'fedora',
  ]);
  assert.equal(familiesIn("VERSION_ID='1'\nID='alpine'\n"), ['alpine']);
  assert.equal(familiesIn(''), []);
});

test('root hands the servers to the first account of the list that exists', () => {
  const passwd = (...names: string[]) =>
    accountsIn(names.map((name, index) => `${name}:x:${index + 100}:${index + 200}::/:/bin/sh`).join('\n'));
  assert.is(preferredAccount(passwd('postgres', 'openclaw', 'milkbot'))?.name, 'milkbot');
  assert.equal(preferredAccount(passwd('daemon', 'postgres')), { name: 'postgres', uid: 101, gid: 201 });
  assert.is(preferredAccount(passwd('daemon')), undefined);
});

test('a socket path beyond 100 bytes, counted in bytes, is not used', () => {
  const longest = `/${'x'.repeat(100 - '/run/.s.PGSQL.5432'.length - 1)}`;
  assert.is(Buffer.byteLength(socketIn(longest, 'postgres')!), 100);
  assert.is(socketIn(`${longest}x`, 'postgres'), null);
  assert.is(socketIn('/ü'.repeat(30), 'postgres'), null);
});

test('a URL is valid and keeps odd folders and names', () => {
  const url = new URL(postgresUrl({ kind: 'socket', file: '/a b/&c/.s.PGSQL.5432' }, 'ro:le', 'p@w', 'd/b'));
  assert.is(url.searchParams.get('host'), '/a b/&c');
  assert.is(decodeURIComponent(url.password), 'p@w');
  assert.is(decodeURIComponent(url.username), 'ro:le');
  assert.is(decodeURIComponent(url.pathname), '/d/b');
});

test.run();
