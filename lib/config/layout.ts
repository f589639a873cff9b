import path from 'node:path';

/** Where the code is: the checkout, or `/opt/openclaw/app` in production. */
export const CODE_ROOT = path.resolve(import.meta.dirname, '../..');

/** The folders and files under OPENCLAW_HOME that this system reads and writes; nothing else writes paths by hand. */
export interface Layout {
  readonly home: string;
  readonly tasks: string;
  readonly plans: string;
  readonly cron: string;
  /** Agents of the operator's own, a folder each. */
  readonly agents: string;
  /** Edited identities, `<agent>.md`. */
  readonly agentFiles: string;
  /** The last good identity of each agent. */
  readonly identities: string;
  /** Texts and panels that agents draw. */
  readonly canvas: string;
  readonly telegram: string;
  readonly credentials: string;
  /** The host key of the screen's SSH server; 0700. */
  readonly devices: string;
  /** What agents, devices and schedules keep; credentials are inside of it. */
  readonly dotOpenclaw: string;
  readonly config: string;
  readonly envFile: string;
  readonly logs: string;
  readonly workspace: string;
  /** Archives; 0700. */
  readonly backups: string;
  /** The git repository that the workspace is committed into. */
  readonly repo: string;
  /** Files that people sent, by hash; never executed. */
  readonly uploads: string;
  /** Pid files of `up`; 0700. */
  readonly run: string;
  /** Private Postgres and Redis: data, sockets, unpacked packages, generated passwords; 0700. */
  readonly servers: string;
}

export function layoutOf(home: string): Layout {
  const under = (...parts: string[]) => path.join(home, ...parts);
  return {
    home,
    tasks: under('tasks'),
    plans: under('plans'),
    cron: under('.openclaw', 'cron'),
    agents: under('agents'),
    agentFiles: under('.openclaw', 'agents'),
    identities: under('.openclaw', 'identity'),
    canvas: under('.openclaw', 'canvas'),
    telegram: under('.openclaw', 'telegram'),
    credentials: under('.openclaw', 'credentials'),
    devices: under('.openclaw', 'devices'),
    dotOpenclaw: under('.openclaw'),
    config: under('config'),
    envFile: under('config', '.env'),
    logs: under('logs'),
    workspace: under('workspace'),
    backups: under('backups'),
    repo: under('repo'),
    uploads: under('uploads'),
    run: under('run'),
    servers: under('servers'),
  };
}

/** OPENCLAW_HOME where set, else `./var` of the checkout. */
export function resolveHome(env: Record<string, string | undefined>): string {
  return env.OPENCLAW_HOME ? path.resolve(env.OPENCLAW_HOME) : path.join(CODE_ROOT, 'var');
}
