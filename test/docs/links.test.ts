import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { CODE_ROOT } from '../../lib/config/index.ts';
import { CHECKS } from '../../lib/health/index.ts';
import { suite } from '../harness/suite.ts';

const test = suite('runbooks and links');
const RUNBOOKS = path.join(CODE_ROOT, 'docs/runbooks');

test('every health check has its runbook', () => {
  for (const check of CHECKS)
    assert.ok(existsSync(path.join(RUNBOOKS, `${check.runbook}.md`)), `${check.id}: ${check.runbook}`);
});

test('every runbook that the code names is there', () => {
  const named = new Set<string>();
  for (const room of ['lib', 'tasks', 'cli', 'systemd', 'agents', 'tui', 'sql']) {
    if (!existsSync(path.join(CODE_ROOT, room))) continue;
    for (const name of readdirSync(path.join(CODE_ROOT, room), { recursive: true, encoding: 'utf8' })) {
      if (!/\.(ts|sql|service)$|openclaw-alert$/.test(name)) continue;
      const text = readFileSync(path.join(CODE_ROOT, room, name), 'utf8');
      for (const match of text.matchAll(/docs\/runbooks\/([a-z0-9-]+)\.md/g)) named.add(match[1]!);
    }
  }
  assert.ok(named.size > 2);
  for (const name of named) assert.ok(existsSync(path.join(RUNBOOKS, `${name}.md`)), name);
});

test('every link between documents leads somewhere, and the list of runbooks is whole', () => {
  const documents = readdirSync(path.join(CODE_ROOT, 'docs'), { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.md'),
  );
  for (const name of documents) {
    const file = path.join(CODE_ROOT, 'docs', name);
    for (const match of readFileSync(file, 'utf8').matchAll(/\]\((?!https?:|#|mailto:)([^)#]+)(#[^)]*)?\)/g))
      assert.ok(existsSync(path.join(path.dirname(file), match[1]!)), `${name} links ${match[1]}`);
  }
  const list = readFileSync(path.join(RUNBOOKS, 'README.md'), 'utf8');
  for (const name of readdirSync(RUNBOOKS))
    if (name !== 'README.md') assert.match(list, `(${name})`, `${name} is in the list`);
});

test.run();
