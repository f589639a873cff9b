import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { loadTasks } from '../../../lib/tasks/index.ts';
import { suite } from '../../harness/suite.ts';

const test = suite('tasks of the operator, far from the code');
let folder: string;

test.before(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'openclaw tasks ü-'));
});
test.after(() => rmSync(folder, { recursive: true }));

const task = (body: string) =>
  `${body}\nexport default defineTask({ title: 'T', payload: z.object({}), effect: 'read' }, async () => 1);\n`;

test('a task imports openclaw and zod from wherever it stands', async () => {
  writeFileSync(path.join(folder, 'one.ts'), task(`import { defineTask, z } from 'openclaw';`));
  writeFileSync(path.join(folder, 'two.mts'), task(`import { defineTask } from 'openclaw';\nimport { z } from 'zod';`));
  const { tasks, faults } = await loadTasks([folder]);
  assert.equal(faults, []);
  assert.equal([...tasks.keys()], ['one', 'two']);
});

test("a package beside the task comes before the code's", async () => {
  mkdirSync(path.join(folder, 'node_modules/zod'), { recursive: true });
  writeFileSync(
    path.join(folder, 'node_modules/zod/package.json'),
    '{"name": "zod", "type": "module", "main": "index.js"}',
  );
  writeFileSync(path.join(folder, 'node_modules/zod/index.js'), 'export const own = true;');
  writeFileSync(
    path.join(folder, 'three.ts'),
    `import { own } from 'zod';\n${task(`import { defineTask, z } from 'openclaw';\nif (!own) throw new Error();`)}`,
  );
  const { tasks, faults } = await loadTasks([folder]);
  assert.equal(
    faults.filter((fault) => fault.file.endsWith('three.ts')),
    [],
  );
  assert.ok(tasks.has('three'));
});

test('a package that is nowhere is named as the fault of its file', async () => {
  writeFileSync(
    path.join(folder, 'four.ts'),
    task(`import { defineTask, z } from 'openclaw';\nimport 'no-such-package';`),
  );
  const { faults } = await loadTasks([folder]);
  assert.match(faults.find((fault) => fault.file.endsWith('four.ts'))?.message ?? '', /no-such-package/);
});

test.run();
