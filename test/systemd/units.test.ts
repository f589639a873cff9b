import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { CODE_ROOT } from '../../lib/config/index.ts';
import { suite } from '../harness/suite.ts';

const test = suite('units', { timeoutMs: 90_000 });
const FOLDER = path.join(CODE_ROOT, 'systemd');
const ANALYZE = '/usr/bin/systemd-analyze';
const units = readdirSync(FOLDER).filter((name) => /\.(service|timer|target)$/.test(name));
/** Their processes are made in other rooms; until they are there, their units fail and say so. */
const AWAITED = new Set(['gateway', 'dashboard', 'agent', 'bridge']);
const textOf = (name: string) => readFileSync(path.join(FOLDER, name), 'utf8');
const values = (name: string, key: string) =>
  [...textOf(name).matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))]
    .flatMap((match) => match[1]!.split(' '))
    .filter(Boolean);

/** As the system's map says: who starts after whom, who wants whom. */
const MAP: Record<string, { after: string[]; wants?: string[]; bindsTo?: string[] }> = {
  'openclaw.service': {
    after: ['redis-server.service', 'postgresql.service'],
    wants: ['redis-server.service', 'postgresql.service'],
  },
  'openclaw-dashboard.service': { after: ['openclaw.service', 'network.target'], bindsTo: ['openclaw.service'] },
  'openclaw-atlas.service': { after: ['redis-server.service'], wants: ['redis-server.service'] },
  'openclaw-scout.service': { after: ['redis-server.service'], wants: ['redis-server.service'] },
  'openclaw-mission-worker.service': {
    after: ['redis-server.service', 'postgresql.service'],
    wants: ['redis-server.service', 'postgresql.service'],
  },
  'openclaw-event-reactor.service': {
    after: ['redis-server.service', 'postgresql.service'],
    wants: ['redis-server.service', 'postgresql.service'],
  },
  'openclaw-learning.service': {
    after: ['redis-server.service', 'postgresql.service'],
    wants: ['redis-server.service', 'postgresql.service'],
  },
  'openclaw-heartbeat-bridge.service': {
    after: ['redis-server.service', 'openclaw.service'],
    wants: ['redis-server.service'],
  },
  'openclaw-health.service': { after: ['network-online.target'] },
  'openclaw-backup.service': { after: ['network-online.target'] },
  'cloudflared.service': { after: ['network.target'], wants: ['network.target'] },
};

test('every unit of the map is there, with its dependencies', () => {
  for (const [name, { after, wants = [], bindsTo = [] }] of Object.entries(MAP)) {
    assert.ok(units.includes(name), name);
    for (const other of after) assert.ok(values(name, 'After').includes(other), `${name} After ${other}`);
    for (const other of wants) assert.ok(values(name, 'Wants').includes(other), `${name} Wants ${other}`);
    for (const other of bindsTo) assert.ok(values(name, 'BindsTo').includes(other), `${name} BindsTo ${other}`);
  }
  const held = values('openclaw.target', 'Wants');
  for (const name of units.filter(
    (unit) => unit !== 'openclaw.target' && !/@|^cloudflared|^openclaw-(health|backup)\.service$/.test(unit),
  ))
    assert.ok(held.includes(name), `openclaw.target holds ${name}`);
});

test('each is started again, is not when its configuration is at fault, tells when it gives up, and runs as milkbot', () => {
  for (const name of units.filter((unit) => unit.endsWith('.service') && !unit.includes('@'))) {
    assert.equal(values(name, 'OnFailure'), ['openclaw-alert@%N.service'], name);
    if (name !== 'cloudflared.service') assert.equal(values(name, 'User'), ['milkbot'], name);
    if (values(name, 'Type')[0] === 'oneshot') continue;
    assert.equal(values(name, 'Restart'), ['always'], name);
    if (name === 'cloudflared.service') continue;
    assert.equal(values(name, 'RestartPreventExitStatus'), ['78'], name);
    assert.equal([values(name, 'Type')[0], values(name, 'WatchdogSec')[0]], ['notify', '90'], name);
  }
  assert.equal(values('openclaw-alert@.service', 'ExecStart')[0], '/opt/openclaw/app/systemd/openclaw-alert');
});

test('what each starts is a verb of the command line', async () => {
  const help = await output(path.join(CODE_ROOT, 'bin/openclaw'), ['--help']);
  for (const name of units.filter(
    (unit) => unit.startsWith('openclaw') && unit.endsWith('.service') && !unit.includes('@'),
  )) {
    const [program, verb] = values(name, 'ExecStart');
    assert.is(program, '/opt/openclaw/app/bin/openclaw');
    if (AWAITED.has(verb!) && !new RegExp(`^  ${verb}\\b`, 'm').test(help.text)) continue;
    assert.match(help.text, new RegExp(`^  ${verb}\\b`, 'm'), `${name} starts ${verb}`);
  }
});

test('systemd finds no fault in them, and their exposure is 1.5 at most', async () => {
  if (!existsSync(ANALYZE)) {
    process.stdout.write('  not verified: there is no systemd-analyze here (apt-get install systemd)\n');
    return;
  }
  const folder = mkdtempSync(path.join(os.tmpdir(), 'openclaw-units-'));
  try {
    mkdirSync(folder, { recursive: true });
    // The programs where they are here, so that their absence in /opt is no fault.
    for (const name of units)
      writeFileSync(
        path.join(folder, name),
        textOf(name).replaceAll('/opt/openclaw/app/', `${CODE_ROOT}/`).replaceAll('/usr/bin/cloudflared', '/bin/true'),
      );
    const files = units.map((name) => path.join(folder, name));
    const verified = await output(ANALYZE, ['verify', '--man=no', ...files]);
    // Units of this machine, which verify reads as well, are not ours to judge.
    const said = verified.text.split('\n').filter((line) => line.includes(folder) || /openclaw|cloudflared/.test(line));
    assert.equal(said, []);
    const services = files.filter((file) => file.endsWith('.service'));
    const scores = await Promise.all(
      services.map((file) => output(ANALYZE, ['security', '--offline=true', '--no-pager', file])),
    );
    scores.forEach(({ text }, index) => {
      const score = Number(/exposure level for .*: ([\d.]+)/.exec(text)?.[1]);
      assert.ok(score <= 1.5, `${path.basename(services[index]!)} has ${score}`);
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

function output(program: string, args: string[]): Promise<{ code: number; text: string }> {
  return new Promise((resolve) => {
    execFile(program, args, { timeout: 60_000 }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? 1) : 0, text: `${stdout}${stderr}` }),
    );
  });
}

test.run();
