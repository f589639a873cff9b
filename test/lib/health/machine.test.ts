import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { judgeDisks } from '../../../lib/health/checks/disk.ts';
import { judgeMemory } from '../../../lib/health/checks/memory.ts';
import { advance, initialState } from '../../../lib/health/machine.ts';
import { lookAll } from '../../../lib/health/probe.ts';
import type { Check, Finding, Notice, Verdict } from '../../../lib/health/types.ts';
import { suite } from '../../harness/suite.ts';

const test = suite('health: states of a check');

const CHECK: Check = {
  id: 'thing',
  title: 'Thing',
  severity: 'error',
  failuresNeeded: 2,
  passesNeeded: 2,
  looks: 1,
  remedy: 'mend it',
  runbook: 'service-down',
  probe: async () => ({ verdict: 'pass', summary: '' }),
};

/** One look a minute from midnight on; each letter is a verdict. */
function live(looks: string, { everyMs = 60_000, check = CHECK } = {}) {
  const verdicts: Record<string, Verdict> = { p: 'pass', f: 'fail', u: 'unknown', s: 'skipped', w: 'warn' };
  let state = initialState(check.id);
  const notices: Notice[] = [];
  const states: string[] = [];
  [...looks].forEach((letter, index) => {
    const finding: Finding = { verdict: verdicts[letter]!, summary: letter };
    const moved = advance(state, finding, check, new Date(Date.UTC(2026, 0, 1) + index * everyMs));
    state = moved.state;
    states.push(state.state);
    notices.push(...moved.notices);
  });
  return { state, states, notices, said: notices.map((notice) => `${notice.kind}${notice.held ? ' (held)' : ''}`) };
}

test('it fires after its failures in a row, tells once, and recovers once with the outage’s length', () => {
  const { states, notices } = live('pffffppp');
  assert.equal(states, ['ok', 'pending', 'firing', 'firing', 'firing', 'recovering', 'ok', 'ok']);
  assert.equal(
    notices.map(({ kind, title }) => [kind, title]),
    [
      ['fired', 'Thing: f'],
      // From the first failure (minute 1) to the pass that settled it (minute 6).
      ['recovered', 'Thing: recovered after 5 m 0 s'],
    ],
  );
});

test('one failure among passes is no alarm, and nothing recovers that was not told', () => {
  assert.equal(live('pfpfpfppfp').said, []);
  assert.equal(live('f', { check: { ...CHECK, failuresNeeded: 1 } }).said, ['fired']);
});

test('a failure while it recovers is the same outage', () => {
  assert.equal(live('ffpfpfpp').said, ['fired', 'recovered']);
});

test('what cannot be looked at neither fails nor recovers; what is no longer checked recovers', () => {
  const { states, said } = live('ufufuupup');
  assert.equal(states, ['ok', 'pending', 'pending', 'firing', 'firing', 'firing', 'recovering', 'recovering', 'ok']);
  assert.equal(said, ['fired', 'recovered']);
  assert.equal(live('ffs').said, ['fired', 'recovered']);
  assert.equal(live('uuuu').said, []);
});

test('a long outage is reminded of every six hours', () => {
  const half = { everyMs: 1_800_000 };
  // Fired at the second look; twelve looks are six hours.
  assert.equal(live('f'.repeat(13), half).said, ['fired']);
  assert.equal(live('f'.repeat(14), half).said, ['fired', 'reminder']);
  assert.equal(live('f'.repeat(26), half).said, ['fired', 'reminder', 'reminder']);
});

test('flapping is one notice, the rest is only counted, and a calm hour ends it', () => {
  const flaps = live('ffpp'.repeat(8));
  assert.equal(
    flaps.said.filter((said) => !said.endsWith('(held)')),
    ['fired', 'recovered', 'fired', 'recovered', 'flapping'],
  );
  assert.is(flaps.said.length, 17);
  assert.ok(flaps.state.flapping);
  const calm = live(`${'ffpp'.repeat(8)}${'p'.repeat(61)}ffpp`);
  assert.not(calm.state.flapping);
  assert.equal(calm.said.slice(-2), ['fired', 'recovered']);
  // It flapped and then stays down: how that ended is told after the hour.
  const down = live(`${'ffpp'.repeat(3)}${'f'.repeat(65)}`);
  assert.is(down.said.filter((said) => said === 'reminder').length, 1);
});

test('whatever is looked at: told outages and told recoveries alternate, and only what fires has been failing', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('p', 'f', 'u', 'w', 's'), { maxLength: 60 }), (letters) => {
      const { notices, states } = live(letters.join(''), { everyMs: 3_600_000 });
      const told = notices.filter(({ kind, held }) => !held && (kind === 'fired' || kind === 'recovered'));
      told.forEach(({ kind }, index) => {
        assert.is(kind, index % 2 === 0 ? 'fired' : 'recovered');
      });
      assert.is(states.filter((state) => state === 'pending').length > 0 || told.length === 0, true);
    }),
  );
});

test('disk and memory have other limits on the way back', () => {
  const at = (usedPercent: number, firing: boolean) => judgeDisks([{ path: '/', usedPercent }], firing);
  assert.equal(
    [at(79.9, false), at(80, false), at(76, true), at(74.9, true), at(91, false)].map(({ verdict }) => verdict),
    ['pass', 'fail', 'fail', 'pass', 'fail'],
  );
  assert.is(at(91, false).severity, 'critical');
  const mb = (megabytes: number, firing: boolean) => judgeMemory(megabytes * 1_048_576, firing).verdict;
  assert.equal([mb(300, false), mb(256, false), mb(300, true), mb(321, true)], ['pass', 'fail', 'fail', 'pass']);
});

test('what a check needs is looked at first, and while that fails it is not judged', async () => {
  const looked: string[] = [];
  const check = (id: string, verdict: Verdict, needs: string[] = []): Check => ({
    ...CHECK,
    id,
    title: id,
    needs,
    probe: async () => {
      looked.push(id);
      return { verdict, summary: '' };
    },
  });
  const checks = [check('c', 'pass', ['b']), check('b', 'pass', ['a']), check('a', 'fail'), check('d', 'pass')];
  const findings = await lookAll(checks, () => ({}) as never);
  assert.equal(
    [...findings].map(([id, { verdict }]) => `${id} ${verdict}`),
    ['c unknown', 'b unknown', 'a fail', 'd pass'],
  );
  assert.equal(looked.sort(), ['a', 'd']);
});

test('a probe that hangs has failed after its limit, one that breaks is unknown', async () => {
  const broken = { ...CHECK, id: 'broken', probe: async () => Promise.reject(new Error('no such column')) };
  const findings = await lookAll([broken], () => ({}) as never);
  assert.equal(findings.get('broken'), { verdict: 'unknown', summary: 'could not look: no such column' });
});

test.run();
