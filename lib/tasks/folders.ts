import path from 'node:path';
import { CODE_ROOT, type Config } from '../config/index.ts';

/** Where tasks are looked for, the first winning a name: built in, the operator's own, those that the configuration names. */
export function taskFolders(config: Config): string[] {
  return [path.join(CODE_ROOT, 'tasks'), config.layout.tasks, ...config.taskDirs];
}
