import { spanText } from '../actions/table.ts';
import type { Snapshot } from './snapshot.ts';

const MEBIBYTE = 1_048_576;

/** A snapshot as lines for a terminal; what is wrong comes with its remedy. */
export function statusLines(snapshot: Snapshot): string[] {
  const { queue, ended, missions } = snapshot;
  const workers =
    snapshot.workers.length === 0
      ? ['workers   none: nothing is worked on; start them with: openclaw up']
      : snapshot.workers.map((worker, index) => {
          const load = `${worker.running.length}/${worker.concurrency} busy`;
          const memory = worker.rss_bytes === null ? '' : `, ${Math.round(Number(worker.rss_bytes) / MEBIBYTE)} MB`;
          const lease = worker.lease_age_s > 5 ? `, SILENT for ${spanText(worker.lease_age_s * 1000)}` : '';
          return `${index === 0 ? 'workers ' : '        '}  ${worker.pool.padEnd(9)} pid ${worker.pid} on ${worker.host}, ${load}${memory}${lease}`;
        });
  const oldest =
    queue.oldest_runnable_s === null || queue.oldest_runnable_s < 2
      ? ''
      : `, oldest waits ${spanText(queue.oldest_runnable_s * 1000)}`;
  return [
    ...workers,
    `jobs      ${queue.queued} queued, ${queue.running} running, ${queue.retrying} retrying${queue.dead > 0 ? `, ${queue.dead} dead` : ''}${oldest}`,
    `in 24 h   ${ended.succeeded} succeeded, ${ended.failed} failed, ${ended.cancelled} cancelled`,
    `missions  ${missions.approved} approved, ${missions.running} running, ${missions.waiting} waiting`,
    ...snapshot.recent.map(
      (mission) =>
        `  m${mission.id}`.padEnd(8) +
        `${mission.state.padEnd(10)} ${mission.done}/${mission.steps} steps  ${spanText(mission.age_s * 1000).padEnd(8)}  ${mission.title}${mission.wait_reason ? ` (${mission.wait_reason})` : ''}${mission.error ? `: ${mission.error}` : ''}`,
    ),
  ];
}
