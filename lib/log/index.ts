export { createLogger, type Logger, type LoggerOptions, type LogLevel, type LogMethod } from './logger.ts';
export { deleteOldLogs } from './rotatingFile.ts';
export { addSecrets, scrub, scrubJsonText } from './secrets.ts';
export { type LogSubject, subjectLog } from './subjectLog.ts';
export { scrubbedJson, scrubJson, toJson } from './toJson.ts';
