export { createLogger, type Logger, type LoggerOptions, type LogLevel, type LogMethod } from './logger.ts';
export { addSecrets, scrub, scrubJsonText } from './secrets.ts';
export { scrubJson, toJson } from './toJson.ts';
