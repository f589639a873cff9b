import { EXIT, OpenClawError } from '../errors/index.ts';
import { followLogs, type LogLine, lastLines, logFiles } from '../log/readLogs.ts';
import { parseNumber } from './ids.ts';
import { timeText } from './table.ts';
import type { Action } from './types.ts';

export const logActions: readonly Action[] = [
  {
    name: 'logs',
    title: 'The last lines of the logs, and with --follow those to come',
    options: [
      {
        flags: '--file <name>',
        description: 'only this file: openclaw, backup, github-commit, health-check, telegram',
      },
      { flags: '--trace <id>', description: 'only what belongs to this trace (or names this text)' },
      { flags: '--level <level>', description: 'at least this level', choices: ['debug', 'info', 'warn', 'error'] },
      { flags: '--lines <n>', description: 'how many', default: '50' },
      { flags: '--follow', description: 'go on until Ctrl-C' },
    ],
    who: 'viewer',
    danger: 'none',
    withoutDatabase: true,
    example: 'openclaw logs --file backup --level warn',
    run: async ({ config, signal, print }, { options }) => {
      const folder = config.layout.logs;
      const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
      const filter = {
        file: text(options.file)?.replace(/\.log$/, ''),
        trace: text(options.trace),
        level: text(options.level),
      };
      const files = logFiles(folder).map((name) => name.replace(/\.log$/, ''));
      if (filter.file !== undefined && !files.includes(filter.file)) {
        throw new OpenClawError('E_NOT_FOUND', `there is no log "${filter.file}"`, {
          expected: files.join(', ') || 'none yet',
          exitCode: EXIT.usage,
        });
      }
      const lines = lastLines(folder, filter, parseNumber(options.lines, '--lines', 1, 100_000));
      const json = options.json === true;
      if (options.follow === true && print) {
        const show = (line: LogLine) => print(json ? line.raw : lineText(line));
        for (const line of lines) show(line);
        await followLogs(folder, filter, show, signal);
        return { json: undefined, text: '' };
      }
      return { json: lines, text: lines.length > 0 ? lines.map(lineText).join('\n') : 'no lines' };
    },
  },
];

/** For a terminal: nothing of a line can move its cursor. */
function lineText({ file, time, level, message, fields }: LogLine): string {
  const rest = Object.entries(fields)
    .filter(([key]) => key !== 'name')
    .map(
      ([key, value]) =>
        `${key}=${key === 'err' ? errorText(value) : typeof value === 'object' ? JSON.stringify(value) : value}`,
    );
  const line = [time && timeText(time), level.padEnd(5), file.padEnd(8), message, ...rest].filter(Boolean).join(' ');
  return line.replace(/\p{Cc}+/gu, ' ');
}

function errorText(value: unknown): string {
  const { code, type, message } = (value ?? {}) as Record<string, unknown>;
  return `${code ?? type}: ${message}`;
}
