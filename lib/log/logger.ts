import pino, { type DestinationStream } from 'pino';
import { messageOf } from '../errors/index.ts';
import { errorFields } from './errorFields.ts';
import { rotatingFile } from './rotatingFile.ts';
import { scrubJsonText } from './secrets.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface LogMethod {
  (message: string): void;
  /** An Error, or fields of which any may be Errors. */
  (fields: object, message?: string): void;
}

/** What the rest of the code knows of logging; a pino logger is one. */
export interface Logger {
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
  /** A logger whose lines all have these fields. */
  child(fields: Record<string, unknown>): Logger;
}

export interface LoggerOptions {
  /** Which process or part speaks: `worker`, `gateway`, … */
  name: string;
  /** Default: info. */
  level?: LogLevel;
  /** A file (appended, 0600, its folder made), a descriptor, or anything with `write(line)`. Default: standard error. */
  destination?: string | number | { write(line: string): unknown };
}

const SECRET_FIELDS = ['password', 'token', 'secret', 'authorization', 'apiKey', 'api_key', 'cookie'];

/**
 * JSON lines, written at once (a killed process loses none) and scrubbed as a whole: message, fields, keys and stacks.
 *
 * @throws the error of node:fs when the file cannot be opened.
 */
export function createLogger({ name, level = 'info', destination = 2 }: LoggerOptions): Logger {
  return pino(
    {
      name,
      level,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: [...SECRET_FIELDS, 'headers.*'], censor: '[redacted]' },
      serializers: { err: (error: unknown) => error },
      formatters: {
        level: (label) => ({ level: label }),
        log: withErrors,
      },
      hooks: { streamWrite: scrubJsonText },
    },
    streamTo(destination),
  );
}

function streamTo(destination: LoggerOptions['destination'] & {}): DestinationStream {
  if (typeof destination === 'object') return destination as DestinationStream;
  if (typeof destination === 'string') return fileStream(destination);
  const stream = pino.destination({ dest: destination, append: true, sync: true });
  // A full disk must not end the process that would report it; standard error goes to the journal.
  stream.on('error', (error: Error) => {
    if (destination !== 2)
      process.stderr.write(
        `${scrubJsonText(JSON.stringify({ level: 'error', msg: `log line lost: ${error.message}` }))}\n`,
      );
  });
  return stream;
}

/** @throws the error of node:fs when the file cannot be opened; later ones are told on standard error, and the process goes on. */
function fileStream(file: string): DestinationStream {
  const out = rotatingFile(file);
  return {
    write: (line) => {
      try {
        out.write(line);
      } catch (error) {
        const lost = { level: 'error', msg: `log line lost: ${messageOf(error)}` };
        process.stderr.write(`${scrubJsonText(JSON.stringify(lost))}\n`);
      }
    },
  };
}

/** JSON would write an Error as `{}`. */
function withErrors(fields: Record<string, unknown>): Record<string, unknown> {
  let changed: Record<string, unknown> | undefined;
  for (const [key, value] of Object.entries(fields)) {
    if (!(value instanceof Error)) continue;
    changed ??= { ...fields };
    changed[key] = errorFields(value);
  }
  return changed ?? fields;
}
