import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import ssh2 from 'ssh2';
import * as assert from 'uvu/assert';
import { loadConfig } from '../../../lib/config/index.ts';
import { commitWorkspace } from '../../../lib/git/index.ts';
import { createLogger } from '../../../lib/log/index.ts';
import { freshDatabase, type TestDatabase } from '../../harness/database.ts';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';
import { temporaryHome } from '../../harness/temporaryHome.ts';

const test = suite('git: the workspace is committed', { timeoutMs: 60_000 });
const signal = new AbortController().signal;
const log = createLogger({ name: 'test', level: 'silent' });
let database: TestDatabase;
test.before(async () => {
  database = await freshDatabase();
});
test.after(() => database.drop());

function fresh(extra: Record<string, string> = {}) {
  const { home, layout } = temporaryHome();
  const remotes = path.join(home, 'remotes');
  mkdirSync(path.join(remotes, 'owner'), { recursive: true });
  const bare = path.join(remotes, 'owner', 'notes.git');
  spawnSync('git', ['init', '--quiet', '--bare', bare]);
  const env = {
    OPENCLAW_HOME: home,
    GITHUB_BASE_URL: `file://${remotes}`,
    GITHUB_REPOSITORY: 'owner/notes',
    BRAVE_API_KEY: 'canary-brave-in-config',
    ...extra,
  };
  const write = (name: string, text: string) => {
    mkdirSync(path.dirname(path.join(layout.workspace, name)), { recursive: true });
    writeFileSync(path.join(layout.workspace, name), text);
  };
  const commit = (more: Record<string, string> = {}) =>
    commitWorkspace({ config: loadConfig({ env: { ...env, ...more } }), db: database.pool, log, signal, pauseMs: 1 });
  const git = (...args: string[]) => spawnSync('git', ['-C', bare, ...args], { encoding: 'utf8' }).stdout.trim();
  return { home, layout, bare, write, commit, git };
}

test('what changed is committed under its own identity and pushed; what did not is not', async () => {
  const { layout, write, commit, git } = fresh();
  write('a.md', 'one\n');
  write('scripts/run.sh', 'echo\n');
  const first = await commit();
  assert.equal([first.files, first.push], [2, 'pushed']);
  assert.match(git('log', '-1', '--format=%an <%ae>', 'main'), /^OpenClaw <openclaw@/);
  assert.equal((await commit()).commit, null);
  write('a.md', 'two, longer\n');
  rmSync(path.join(layout.workspace, 'scripts'), { recursive: true });
  // The repository's own folder of this name is ignored.
  mkdirSync(path.join(layout.repo, 'scripts'));
  writeFileSync(path.join(layout.repo, 'scripts', 'own.sh'), 'x');
  await commit();
  assert.is(git('ls-tree', '-r', '--name-only', 'main'), 'workspace/a.md');
  assert.is(git('show', 'main:workspace/a.md'), 'two, longer');
});

test('a planted key stops the commit, and is named by file and line, never by its value', async () => {
  const { layout, write, commit, git } = fresh();
  write('good.md', 'fine\n');
  await commit();
  const planted = [
    'sk-proj-canary0123456789abcdefgh',
    'canary-brave-in-config',
    '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA',
  ];
  for (const [index, secret] of planted.entries()) {
    write('notes/deep.md', `# Notes\n\nthe key is ${secret}\n`);
    const refused = await refusal(commit());
    assert.is(refused.code, 'E_SECRET_FOUND', secret);
    assert.match(refused.message, /workspace\/notes\/deep\.md:3: /);
    const { rows } = await database.pool.query(
      "select payload::text as payload from ops_agent_events where kind = 'secret.found' order by id desc limit 1",
    );
    assert.match(rows[0]!.payload, /deep\.md:3/);
    assert.not.match(`${rows[0]!.payload}${refused.message}`, /canary|b3BlbnNz/, `secret ${index}`);
  }
  assert.is(git('ls-tree', '-r', '--name-only', 'main'), 'workspace/good.md');
  // Nothing of it is among the objects that a later push would send.
  const objects = spawnSync('git', ['-C', layout.repo, 'cat-file', '--batch-all-objects', '--batch'], {
    encoding: 'latin1',
  }).stdout;
  assert.match(objects, /good/);
  assert.not.match(objects, /deep|canary|b3BlbnNz/);
  write('notes/deep.md', 'an example: sk-proj-0123456789abcdefgh0 openclaw:allow-secret\n');
  assert.is((await commit()).push, 'pushed');
});

test('a push that fails keeps the commit, warns, and the next run pushes it', async () => {
  const { bare, write, commit, git } = fresh();
  write('a.md', 'one\n');
  spawnSync('mv', [bare, `${bare}.away`]);
  assert.is((await refusal(commit())).code, 'E_GIT_PUSH');
  const { rows } = await database.pool.query(
    "select count(*)::int as n from ops_agent_events where kind = 'service.push_failed'",
  );
  assert.is(rows[0]!.n, 1);
  spawnSync('mv', [`${bare}.away`, bare]);
  const next = await commit();
  assert.equal([next.commit, next.push], [null, 'pushed']);
  assert.is(git('show', 'main:workspace/a.md'), 'one');
});

test('over ssh only the pinned host key is believed', async () => {
  const { home, layout, bare, write, commit } = fresh();
  const keyOf = (name: string) => {
    const file = path.join(home, name);
    spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file]);
    return {
      file,
      secret: readFileSync(file, 'utf8'),
      open: readFileSync(`${file}.pub`, 'utf8').split(' ').slice(0, 2).join(' '),
    };
  };
  const [host, other, client] = [keyOf('host'), keyOf('other'), keyOf('client')];
  const server = new ssh2.Server({ hostKeys: [host.secret] }, (connection) => {
    connection.on('error', () => undefined);
    connection.on('authentication', (context) =>
      context.method === 'publickey' ? context.accept() : context.reject(['publickey']),
    );
    connection.on('session', (accept) =>
      accept().on('exec', (accepted, _reject, { command }) => {
        const channel = accepted();
        const child = spawn(command.split(' ')[0]!, [bare]);
        channel.pipe(child.stdin);
        child.stdout.pipe(channel, { end: false });
        child.once('close', (code) => {
          channel.exit(code ?? 1);
          channel.end();
        });
      }),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  server.unref();
  const { port } = server.address() as AddressInfo;
  const pins = path.join(home, 'known_hosts');
  const env = {
    GITHUB_BASE_URL: `ssh://git@127.0.0.1:${port}`,
    GITHUB_SSH_KEY_PATH: client.file,
    GITHUB_KNOWN_HOSTS_PATH: pins,
  };
  write('a.md', 'over ssh\n');
  writeFileSync(pins, `[127.0.0.1]:${port} ${other.open}\n`);
  const refused = await refusal(commit(env));
  assert.is(refused.code, 'E_GIT_PUSH');
  writeFileSync(pins, '');
  assert.is((await refusal(commit(env))).code, 'E_GIT_PUSH', 'an unknown host is not believed either');
  writeFileSync(pins, `[127.0.0.1]:${port} ${host.open}\n`);
  assert.is((await commit(env)).push, 'pushed');
  assert.ok(layout.repo);
  server.close();
});

test.run();
