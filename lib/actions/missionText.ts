import { errorText, spanText, textTable, timeText } from './table.ts';

export interface StepView {
  id: string;
  name: string;
  task: string;
  state: string;
  attempt: number;
  max_attempts: number;
  needs: string[];
  error_class: string | null;
  error: string | null;
  output: unknown;
  wake_at: Date | null;
  started_at: Date | null;
  finished_at: Date | null;
}

export interface MissionView {
  id: string;
  kind: string;
  title: string;
  state: string;
  wait_reason: string | null;
  wake_at: Date | null;
  actor: string;
  source: string;
  error: string | null;
  output: unknown;
  trace_id: string;
  epoch: number;
  created_at: Date;
  started_at: Date | null;
  finished_at: Date | null;
  steps?: StepView[];
}

/** What a step says of itself when it went well by leaving its work out, as `fetch_url` does without a network. */
export function skippedNote(step: StepView): string {
  const output = step.output as { skipped?: unknown; reason?: unknown } | null;
  return step.state === 'succeeded' && output?.skipped === true ? ` (skipped: ${String(output.reason)})` : '';
}

/** A mission as a person reads it: the state and the error first. */
export function missionText(mission: MissionView): string {
  const lines = [
    `m${mission.id}  ${mission.title}  (${mission.kind})`,
    `state    ${mission.state}${mission.wait_reason ? ` (${mission.wait_reason}${mission.wake_at ? ` until ${timeText(mission.wake_at)}` : ''})` : ''}`,
  ];
  if (mission.error) lines.push(`error    ${mission.error}`);
  lines.push(`asked    ${timeText(mission.created_at)} by ${mission.actor} (${mission.source})`);
  if (mission.started_at)
    lines.push(
      `started  ${timeText(mission.started_at)}${mission.epoch > 1 ? `, taken up ${mission.epoch} times` : ''}`,
    );
  if (mission.finished_at)
    lines.push(
      `ended    ${timeText(mission.finished_at)}, after ${spanText(mission.finished_at.getTime() - mission.created_at.getTime())}`,
    );
  lines.push(`trace    ${mission.trace_id}`, '');
  const steps = (mission.steps ?? []).map((step) => [
    step.name,
    step.task,
    step.state,
    `${step.attempt}/${step.max_attempts}`,
    step.started_at ? spanText((step.finished_at ?? new Date()).getTime() - step.started_at.getTime()) : '-',
    step.error
      ? errorText(step.error_class, step.error)
      : step.needs.length > 0 && step.state === 'queued'
        ? `needs ${step.needs.join(', ')}`
        : skippedNote(step).trim(),
  ]);
  lines.push(textTable(['step', 'task', 'state', 'tries', 'took', ''], steps));
  if (mission.output !== null && mission.output !== undefined)
    lines.push('', `output   ${JSON.stringify(mission.output, null, 2)}`);
  return lines.join('\n');
}
