// What a task file imports, as the package `openclaw`.
export { z } from 'zod';
export { DEFINITION, type DefinedTask, defineTask, PermanentError, RetryAfter, type TaskOptions } from './define.ts';
export type { Approval, ApproveOptions, DurableContext, DurableStepOptions, StepWork, WaitOptions } from './durable.ts';
export { type Duration, durationMs } from './duration.ts';
export { taskFolders } from './folders.ts';
export { loadTasks, type TaskFault, type TaskRegistry } from './load.ts';
export { registerTasks } from './register.ts';
export * from './types.ts';
