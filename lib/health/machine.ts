import { spanText } from '../actions/table.ts';
import type { Check, CheckState, Finding, Notice } from './types.ts';

// ok -> pending -> firing -> recovering -> ok
//
// A check fires after `failuresNeeded` failed looks in a row and recovers after `passesNeeded` passes in a row. Each
// outage is one notice, one recovery with its length, and a reminder every six hours. `unknown` changes nothing: what could
// not be looked at has neither failed nor recovered. More than four changes in an hour is flapping: one notice, the rest counted.

const REMIND_MS = 6 * 3_600_000;
const FLAPPING = { windowMs: 3_600_000, changes: 4 };

export function initialState(checkId: string): CheckState {
  return {
    check_id: checkId,
    state: 'ok',
    verdict: 'unknown',
    summary: '',
    failures: 0,
    passes: 0,
    failed_since: null,
    fired_at: null,
    reminded_at: null,
    changes: [],
    flapping: false,
    passed_at: null,
  };
}

/** The state after one look. Pure: time comes from outside. */
export function advance(
  was: CheckState,
  finding: Finding,
  check: Check,
  now: Date,
): { state: CheckState; notices: Notice[] } {
  const at = now.toISOString();
  const changes = was.changes.filter((time) => now.getTime() - Date.parse(time) < FLAPPING.windowMs);
  const seen = { ...was, verdict: finding.verdict, summary: finding.summary, changes };
  const notice = (kind: Notice['kind'], title: string, body: string, held: boolean): Notice => ({
    check_id: check.id,
    kind,
    severity: kind === 'recovered' ? 'info' : (finding.severity ?? check.severity),
    title,
    body,
    runbook: check.runbook,
    held,
    at,
  });

  if (finding.verdict === 'unknown') return { state: seen, notices: [] };
  if (finding.verdict !== 'fail') {
    const calm = { ...seen, failures: 0, passed_at: finding.verdict === 'skipped' ? was.passed_at : at };
    if (was.state === 'ok' || was.state === 'pending') {
      // Quiet for a whole window: the flapping is over.
      const flapping = was.flapping && changes.length > 0;
      return { state: { ...calm, state: 'ok', passes: was.passes + 1, failed_since: null, flapping }, notices: [] };
    }
    const passes = was.passes + 1;
    // What is no longer checked need not prove itself.
    if (passes < check.passesNeeded && finding.verdict !== 'skipped')
      return { state: { ...calm, state: 'recovering', passes }, notices: [] };
    const length = now.getTime() - Date.parse(was.failed_since ?? at);
    const recovered = {
      ...calm,
      state: 'ok' as const,
      passes,
      failed_since: null,
      fired_at: null,
      reminded_at: null,
      changes: [...changes, at],
    };
    return change(recovered, notice, [
      'recovered',
      `${check.title}: recovered after ${spanText(length)}`,
      finding.summary,
    ]);
  }

  const failures = was.failures + 1;
  const failed = { ...seen, failures, passes: 0, failed_since: was.failed_since ?? at };
  if (was.state === 'firing' || was.state === 'recovering') {
    const flapping = was.flapping && changes.length > 0;
    const firing = { ...failed, state: 'firing' as const, flapping };
    const last = Date.parse(was.reminded_at ?? was.fired_at ?? at);
    // It flapped and stays down now: nobody has been told how that ended.
    const settled = was.flapping && !flapping;
    if (!settled && now.getTime() - last < REMIND_MS) return { state: firing, notices: [] };
    const since = spanText(now.getTime() - Date.parse(failed.failed_since));
    return {
      state: { ...firing, reminded_at: at },
      notices: [notice('reminder', `${check.title}: still failing after ${since}`, bodyOf(finding, check), flapping)],
    };
  }
  if (failures < check.failuresNeeded) return { state: { ...failed, state: 'pending' }, notices: [] };
  const fired = { ...failed, state: 'firing' as const, fired_at: at, reminded_at: null, changes: [...changes, at] };
  return change(fired, notice, ['fired', `${check.title}: ${finding.summary}`, bodyOf(finding, check)]);
}

/** A change of the alarm, with its notice; or the one notice that says that it flaps. */
function change(
  state: CheckState,
  notice: (kind: Notice['kind'], title: string, body: string, held: boolean) => Notice,
  said: ['fired' | 'recovered', string, string],
): { state: CheckState; notices: Notice[] } {
  const flapping = state.changes.length > FLAPPING.changes || (state.flapping && state.changes.length > 1);
  const [kind, title, body] = said;
  if (!flapping) return { state: { ...state, flapping: false }, notices: [notice(kind, title, body, false)] };
  const notices = [notice(kind, title, body, true)];
  if (!state.flapping)
    notices.unshift(
      notice(
        'flapping',
        `${title.split(':')[0]}: flapping, ${state.changes.length} changes within an hour`,
        'From now on its changes are only counted in the digest, until it has been calm for an hour.',
        false,
      ),
    );
  return { state: { ...state, flapping: true }, notices };
}

function bodyOf(finding: Finding, check: Check): string {
  return `${finding.summary}\nRemedy: ${check.remedy}`;
}
