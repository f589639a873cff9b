import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { CODE_ROOT } from '../../lib/config/index.ts';
import { suite } from '../harness/suite.ts';

const test = suite('rooms import downward only');

/** What each room may import from; every room may import from itself. */
const MAY: Record<string, readonly string[]> = {
  lib: [],
  tasks: ['lib'],
  agents: ['lib'],
  tui: ['lib'],
  cli: ['lib', 'tasks', 'agents', 'tui'],
};

/** Every relative import of a source text, static, dynamic and type-only. */
function importsOf(text: string): string[] {
  return [...text.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*)(['"])(\.{1,2}\/[^'"]+)\1/g)].map((match) => match[2]!);
}

function violations(file: string, text: string): string[] {
  const [room] = file.split(path.sep) as [string];
  return importsOf(text)
    .map((target) => path.normalize(path.join(path.dirname(file), target)))
    .filter((target) => {
      const [other] = target.split(path.sep) as [string];
      return other !== room && !MAY[room]!.includes(other);
    })
    .map((target) => `${file} imports ${target}`);
}

test('no file imports from a room beside or above its own', () => {
  const found: string[] = [];
  let files = 0;
  for (const room of Object.keys(MAY)) {
    for (const file of sourcesOf(room)) {
      files += 1;
      found.push(...violations(file, readFileSync(path.join(CODE_ROOT, file), 'utf8')));
    }
  }
  assert.ok(files > 50, `only ${files} files were read`);
  assert.equal(found, []);
});

test('the check sees static, dynamic and type imports', () => {
  const text = `import a from '../../cli/x.ts';\nimport type { B } from "../../tasks/y.ts";\nconst c = await import('../../tui/z.ts');\nexport * from '../errors/index.ts';`;
  assert.is(violations(path.join('lib', 'db', 'f.ts'), text).length, 3);
});

function sourcesOf(room: string): string[] {
  try {
    return readdirSync(path.join(CODE_ROOT, room), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => path.join(room, name));
  } catch (error) {
    // A room that is not built yet.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

test.run();
