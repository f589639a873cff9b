import { registerHooks } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { CODE_ROOT } from '../config/index.ts';

const OWN_NAME = 'openclaw';
const codeUrl = pathToFileURL(path.join(CODE_ROOT, 'package.json')).href;
let registered = false;

/**
 * Lets a task that stands anywhere say `import { defineTask } from 'openclaw'` and `import { z } from 'zod'`: a package that
 * is not found from the task's own place is looked for from the code's. The task's own packages come first.
 */
export function allowOperatorImports(): void {
  if (registered) return;
  registered = true;
  registerHooks({
    resolve: (specifier, context, nextResolve) => {
      if (!/^(@[\w.-]+\/)?[A-Za-z][\w.-]*(\/|$)/.test(specifier)) return nextResolve(specifier, context);
      if (specifier === OWN_NAME) return nextResolve(specifier, { ...context, parentURL: codeUrl });
      try {
        return nextResolve(specifier, context);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
        return nextResolve(specifier, { ...context, parentURL: codeUrl });
      }
    },
  });
}
