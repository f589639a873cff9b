import type { Queryable } from '../db/index.ts';
import { sampleHost } from '../host/index.ts';
import { hysteresis, type Threshold } from './hysteresis.ts';
import { openIncident, resolveIncident, type Trouble } from './incidents.ts';

interface Measure {
  readonly kind: string;
  readonly subject: string;
  readonly value: number | null;
  readonly threshold: Threshold;
  readonly trouble: (value: number) => Omit<Trouble, 'kind' | 'subject'>;
  readonly well: string;
}

const MIB = 1_048_576;

/** Disk, memory and the agents' event loops, each with a state of its own from look to look. */
export function hostWatch(paths: readonly string[], sample: typeof sampleHost = sampleHost) {
  const states = new Map<string, ReturnType<typeof hysteresis>>();
  return async (db: Queryable): Promise<void> => {
    const { disks, memory } = await sample({ paths: [...paths], brief: true });
    const { rows: loops } = await db.query<{ id: string; lag: number | null; rss: number | null }>(
      `select id, loop_lag_ms::float8 as lag, rss_bytes::float8 as rss from agent_status where status in ('alive', 'degraded') order by id`,
    );
    const measures: Measure[] = [
      ...paths.map((path) => diskMeasure(path, disks?.find((disk) => disk.path === path)?.used_percent ?? null)),
      memoryMeasure(memory === null ? null : memory.available_bytes / MIB),
      ...loops.map(({ id, lag }) => loopMeasure(id, lag)),
    ];
    for (const { kind, subject, value, threshold, trouble, well } of measures) {
      const key = `${kind} ${subject}`;
      const state = states.get(key) ?? hysteresis(threshold);
      states.set(key, state);
      const { bad, changed } = state.look(value);
      if (bad && value !== null) await openIncident(db, { kind, subject, ...trouble(value) });
      else if (changed || (!bad && value !== null)) await resolveIncident(db, kind, subject, well);
    }
  };
}

function diskMeasure(path: string, value: number | null): Measure {
  return {
    kind: 'disk_full',
    subject: path,
    value,
    threshold: { on: 80, off: 75, looks: 2 },
    trouble: (used) => ({
      severity: used >= 90 ? 'critical' : 'warning',
      what: `${path} is ${used} % full`,
      why: 'more than 80 % of it is used',
      needed: 'remove old backups, logs or uploads, or give it more room',
    }),
    well: `${path} is below 75 % again.`,
  };
}

function memoryMeasure(value: number | null): Measure {
  return {
    kind: 'memory_low',
    subject: 'host',
    value,
    threshold: { on: 256, off: 320, looks: 2 },
    trouble: (left) => ({
      severity: 'warning',
      what: `${Math.round(left)} MiB of memory are available`,
      why: 'less than 256 MiB',
      needed: 'openclaw status shows who holds it; fewer jobs at once (OPENCLAW_CONCURRENCY_*)',
    }),
    well: 'More than 320 MiB are available again.',
  };
}

function loopMeasure(id: string, value: number | null): Measure {
  return {
    kind: 'loop_blocked',
    subject: `agent:${id}`,
    value,
    threshold: { on: 1000, off: 200, looks: 3 },
    trouble: (lag) => ({
      severity: 'warning',
      what: `${id} answers late`,
      why: `its event loop lags ${Math.round(lag)} ms (p99)`,
      needed: 'the machine is too busy, or something computes for long inside of it: openclaw agents show',
    }),
    well: `${id} answers in time again.`,
  };
}
