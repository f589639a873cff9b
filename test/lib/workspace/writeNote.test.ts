import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { OpenClawError } from '../../../lib/errors/index.ts';
import { NOTE_LIMIT_BYTES, type NoteRequest, writeNote } from '../../../lib/workspace/index.ts';
import { suite } from '../../harness/suite.ts';

const test = suite('writeNote');

/** A workspace with a neighbour that nothing may reach. */
async function withRoot(use: (root: string, outside: string) => Promise<void>) {
  const parent = mkdtempSync(path.join(tmpdir(), 'openclaw-notes-'));
  const outside = path.join(parent, 'outside');
  mkdirSync(outside);
  try {
    await use(path.join(parent, 'root'), outside);
    assert.deepEqual(
      readdirSync(outside).filter((name) => name !== 'there.md'),
      [],
      'something was written outside',
    );
  } finally {
    rmSync(parent, { recursive: true });
  }
}

async function codeOf(request: Partial<NoteRequest> & { root: string }): Promise<string> {
  try {
    await writeNote({ path: 'a.md', content: 'x', mode: 'replace', ...request });
  } catch (error) {
    if (error instanceof OpenClawError) return error.code;
    throw error;
  }
  return 'none';
}

test('writes, replaces, appends and creates, and says what is there', async () => {
  await withRoot(async (root) => {
    const request = { root, path: 'memory/2026/today.md' };
    const file = path.join(root, request.path);
    const first = await writeNote({ ...request, content: 'grüße\n', mode: 'create' });
    assert.deepEqual(first, {
      path: request.path,
      bytes: 8,
      sha256: createHash('sha256').update('grüße\n').digest('hex'),
    });
    assert.equal(await codeOf({ ...request, mode: 'create' }), 'E_NOTE_EXISTS');
    assert.equal(readFileSync(file, 'utf8'), 'grüße\n');
    const longer = await writeNote({ ...request, content: 'more\n', mode: 'append' });
    assert.equal(readFileSync(file, 'utf8'), 'grüße\nmore\n');
    assert.equal(longer.bytes, 13);
    assert.equal(longer.sha256, createHash('sha256').update(readFileSync(file)).digest('hex'));
    await writeNote({ ...request, content: 'new', mode: 'replace' });
    assert.equal(readFileSync(file, 'utf8'), 'new');
    assert.deepEqual(readdirSync(path.dirname(file)), ['today.md']);
  });
});

test('notes are 0600 and folders 0700, whatever the umask and whatever they were', async () => {
  await withRoot(async (root) => {
    const umask = process.umask(0);
    try {
      for (const mode of ['create', 'replace', 'append'] as const) {
        const file = path.join(root, mode, 'deep', 'n.md');
        await writeNote({ root, path: `${mode}/deep/n.md`, content: 'x', mode });
        assert.equal(statSync(file).mode & 0o777, 0o600);
        for (const folder of [root, path.join(root, mode), path.dirname(file)])
          assert.equal(statSync(folder).mode & 0o777, 0o700);
        if (mode === 'create') continue;
        chmodSync(file, 0o644);
        await writeNote({ root, path: `${mode}/deep/n.md`, content: 'x', mode });
        assert.equal(statSync(file).mode & 0o777, 0o600);
      }
    } finally {
      process.umask(umask);
    }
  });
});

for (const given of [
  '',
  '.',
  '..',
  '/',
  '/etc/x.md',
  '../outside/x.md',
  'a/../../outside/x.md',
  'a/..',
  './a.md',
  'a//b.md',
  'a/',
  '.hidden.md',
  'a/.git/x.md',
  'x.md\0.txt',
  'x\ny.md',
  'a\\..\\x.md',
  'x',
  'x.sh',
  'x.md.ts',
  'x.',
  'md',
  'a.md/',
  '~/x.md\u0007',
  `${'x'.repeat(300)}.md`,
]) {
  test(`refuses the path ${JSON.stringify(given).slice(0, 40)}`, async () => {
    await withRoot(async (root) => assert.equal(await codeOf({ root, path: given }), 'E_NOTE_PATH'));
  });
}

test('refuses a link that leads out, as a folder and as the note itself', async () => {
  await withRoot(async (root, outside) => {
    mkdirSync(root);
    writeFileSync(path.join(outside, 'there.md'), 'untouched');
    symlinkSync(outside, path.join(root, 'out'));
    symlinkSync('../outside', path.join(root, 'relative'));
    symlinkSync(path.join(outside, 'there.md'), path.join(root, 'note.md'));
    symlinkSync(path.join(outside, 'absent.md'), path.join(root, 'dangling.md'));
    symlinkSync('loop', path.join(root, 'loop'));
    symlinkSync('..', path.join(root, 'up'));
    for (const mode of ['replace', 'append', 'create'] as const) {
      for (const given of [
        'out/x.md',
        'relative/x.md',
        'out/there.md',
        'note.md',
        'dangling.md',
        'loop/x.md',
        'up/x.md',
        'up/outside/x.md',
        'out/deep/x.md',
      ]) {
        assert.equal(await codeOf({ root, path: given, mode }), 'E_NOTE_PATH', `${mode} ${given}`);
      }
    }
    assert.equal(readFileSync(path.join(outside, 'there.md'), 'utf8'), 'untouched');
  });
});

test('follows a link that stays inside, and a root that is a link', async () => {
  await withRoot(async (root) => {
    mkdirSync(path.join(root, 'real'), { recursive: true });
    symlinkSync('real', path.join(root, 'alias'));
    await writeNote({ root, path: 'alias/x.md', content: 'one', mode: 'create' });
    symlinkSync('real/x.md', path.join(root, 'latest.md'));
    await writeNote({ root, path: 'latest.md', content: 'two', mode: 'replace' });
    assert.equal(readFileSync(path.join(root, 'real', 'x.md'), 'utf8'), 'two');
    symlinkSync('real/secret.sh', path.join(root, 'x.md'));
    writeFileSync(path.join(root, 'real', 'secret.sh'), '');
    assert.equal(await codeOf({ root, path: 'x.md' }), 'E_NOTE_PATH');
    const alias = `${root}-alias`;
    symlinkSync(root, alias);
    await writeNote({ root: alias, path: 'y.md', content: 'y', mode: 'create' });
    assert.ok(existsSync(path.join(root, 'y.md')));
  });
});

test('refuses what is there and is no note: a folder, a file in the way, a pipe', async () => {
  await withRoot(async (root) => {
    mkdirSync(path.join(root, 'folder.md'), { recursive: true });
    writeFileSync(path.join(root, 'file.md'), '');
    execFileSync('mkfifo', [path.join(root, 'pipe.md')]);
    for (const mode of ['replace', 'append', 'create'] as const) {
      for (const given of ['folder.md', 'file.md/x.md', 'pipe.md']) {
        assert.equal(await codeOf({ root, path: given, mode }), 'E_NOTE_PATH', `${mode} ${given}`);
      }
    }
  });
});

test('a note has at most 1 MiB, counted in bytes and with what is there', async () => {
  await withRoot(async (root) => {
    const whole = 'é'.repeat(NOTE_LIMIT_BYTES / 2);
    assert.equal((await writeNote({ root, path: 'a.md', content: whole, mode: 'append' })).bytes, NOTE_LIMIT_BYTES);
    assert.equal(await codeOf({ root, path: 'a.md', content: 'x', mode: 'append' }), 'E_NOTE_TOO_LARGE');
    assert.equal(await codeOf({ root, path: 'a.md', content: `${whole}x`, mode: 'replace' }), 'E_NOTE_TOO_LARGE');
    assert.equal(statSync(path.join(root, 'a.md')).size, NOTE_LIMIT_BYTES);
  });
});

test('of many that create one note at once, one does', async () => {
  await withRoot(async (root) => {
    const codes = await Promise.all(
      Array.from({ length: 20 }, (_, index) => codeOf({ root, path: 'a/b.md', content: `${index}`, mode: 'create' })),
    );
    assert.equal(codes.filter((code) => code === 'none').length, 1);
    assert.equal(codes.filter((code) => code === 'E_NOTE_EXISTS').length, 19);
    assert.deepEqual(readdirSync(path.join(root, 'a')), ['b.md']);
  });
});

test('of many that append at once, all stay; of many that replace, one whole', async () => {
  await withRoot(async (root) => {
    const lines = Array.from({ length: 50 }, (_, index) => `${index} ${'x'.repeat(5000)}\n`);
    await Promise.all(lines.map((content) => writeNote({ root, path: 'log.txt', content, mode: 'append' })));
    const written = readFileSync(path.join(root, 'log.txt'), 'utf8').trimEnd().split('\n').sort();
    assert.deepEqual(written, lines.map((line) => line.trimEnd()).sort());
    await Promise.all(lines.map((content) => writeNote({ root, path: 'one.txt', content, mode: 'replace' })));
    assert.ok(lines.includes(readFileSync(path.join(root, 'one.txt'), 'utf8')));
    assert.deepEqual(readdirSync(root).sort(), ['log.txt', 'one.txt']);
  });
});

test('no path leads out', async () => {
  await withRoot(async (root, outside) => {
    mkdirSync(root);
    symlinkSync(outside, path.join(root, 'out'));
    const name = fc.constantFrom('..', '.', 'a', 'out', '', 'b.md', '/', '~', '..md', 'x.txt', '\0', '%2e%2e', '．．');
    await fc.assert(
      fc.asyncProperty(fc.array(name, { maxLength: 6 }), async (names) => {
        const given = `${names.join('/')}.md`;
        const code = await codeOf({ root, path: given });
        assert.ok(code === 'none' || code === 'E_NOTE_PATH', code);
        if (code === 'none') assert.ok(existsSync(path.join(root, given)));
      }),
      { numRuns: 300 },
    );
  });
});

test.run();
