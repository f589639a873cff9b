import type { Queryable } from '../../db/index.ts';
import type { Logger } from '../../log/index.ts';
import { isTransient } from '../writer.ts';
import { RECORD } from './recordStatement.ts';

/** What one step of a durable function has come to. */
export interface StepRecord {
  /** The step whose function it is. */
  parent: string;
  name: string;
  kind: 'step' | 'sleep' | 'signal' | 'approval' | 'invoke';
  position: number;
  task: string;
  payload?: unknown;
  state: 'queued' | 'running' | 'waiting' | 'succeeded' | 'failed' | 'cancelled' | 'unknown';
  attempt: number;
  max_attempts: number;
  timeout_ms: number;
  effect: 'read' | 'write' | 'outside';
  /** JSON text. */
  output?: string;
  error_class?: string | null;
  error?: string | null;
  untrusted?: boolean;
  /** From now, by the database's clock. */
  wake_ms?: number;
  wake_at?: string;
  duration_ms?: number;
  input_bytes?: number;
  resolves?: true;
  /** The signal that it takes. */
  takes?: string;
}

export interface Recorded {
  /** False: the mission belongs to another epoch, or has ended; nothing was written. */
  accepted: boolean;
  cancelRequested: boolean;
  signalSeq: number;
  id: string;
  /** ms until it is due; null: it is not. */
  waitMs: number | null;
}

export interface Recorder {
  record: (mission: string, epoch: number, step: StepRecord) => Promise<Recorded>;
}

interface Member {
  mission: string;
  epoch: number;
  step: StepRecord;
  resolve: (recorded: Recorded) => void;
  reject: (error: unknown) => void;
}

const GROUP_LIMIT = 256;
const CONNECTION_RETRIES = 30;
const CONNECTION_RETRY_MS = 1000;

/** Commits what durable functions reach; what waits while one group commits forms the next, as checkpoints do. */
export function createRecorder(db: Pick<Queryable, 'query'>, log: Logger): Recorder {
  const waiting: Member[] = [];
  let busy = false;

  const commit = async (group: Member[]): Promise<void> => {
    try {
      await commitWithRetries(db, group, log);
    } catch (error) {
      if (group.length === 1) return group[0]!.reject(error);
      log.warn({ err: error, members: group.length }, 'a group of steps was refused; recording each alone');
      for (const member of group) await commit([member]);
    }
  };

  const flush = async () => {
    while (waiting.length > 0)
      await commit(waiting.splice(0, GROUP_LIMIT).sort((a, b) => Number(BigInt(a.mission) - BigInt(b.mission))));
    busy = false;
  };

  return {
    record: (mission, epoch, step) =>
      new Promise((resolve, reject) => {
        waiting.push({ mission, epoch, step, resolve, reject });
        if (busy) return;
        busy = true;
        setImmediate(() => void flush());
      }),
  };
}

async function commitWithRetries(db: Pick<Queryable, 'query'>, group: Member[], log: Logger): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await commitOnce(db, group);
    } catch (error) {
      if (!isTransient(error) || attempt > CONNECTION_RETRIES) throw error;
      log.warn({ err: error, attempt }, 'steps were not acknowledged; sending them again');
      await new Promise((resolve) => setTimeout(resolve, CONNECTION_RETRY_MS));
    }
  }
}

async function commitOnce(db: Pick<Queryable, 'query'>, group: Member[]): Promise<void> {
  const members = new Map(group.map(({ mission, epoch }) => [`${mission}/${epoch}`, { mission, epoch }]));
  const { rows } = await db.query<{
    mine: [string | number, number, boolean, number][] | null;
    saved: { mission: string; name: string; id: string; wait_ms: number | null }[] | null;
  }>({
    name: 'openclaw_record',
    text: RECORD,
    values: [JSON.stringify([...members.values()]), `[${group.map(rowOf).join(',')}]`],
  });
  const mine = new Map((rows[0]?.mine ?? []).map(([id, epoch, ...rest]) => [`${id}/${epoch}`, rest]));
  const saved = new Map((rows[0]?.saved ?? []).map((row) => [`${row.mission}/${row.name}`, row]));
  for (const { mission, epoch, step, resolve } of group) {
    const own = mine.get(`${mission}/${epoch}`);
    const [cancelRequested = false, signalSeq = 0] = own ?? [];
    const row = saved.get(`${mission}/${step.name}`);
    resolve({
      accepted: own !== undefined,
      cancelRequested,
      signalSeq,
      id: row?.id ?? '',
      waitMs: row?.wait_ms ?? null,
    });
  }
}

/** As JSON, with the output put in as the text that it is. */
function rowOf({ mission, epoch, step }: Member): string {
  const { output, ...rest } = step;
  return `${JSON.stringify({ mission, of_epoch: epoch, ...rest }).slice(0, -1)},"output":${output ?? 'null'}}`;
}
