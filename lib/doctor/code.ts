import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { CODE_ROOT, describeConfig } from '../config/index.ts';
import { readCrontabs } from '../cron/index.ts';
import { loadTasks, taskFolders } from '../tasks/index.ts';
import { type Examination, fail, ok, skipped, warn } from './types.ts';

const packageJson = (folder: string) =>
  JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8')) as {
    version: string;
    dependencies?: Record<string, string>;
  };

export const codeExaminations: readonly Examination[] = [
  {
    id: 'node',
    title: 'the pinned Node runs',
    look: async () => {
      const ours = process.execPath.startsWith(path.join(CODE_ROOT, 'node_modules'));
      const text = `Node ${process.versions.node}, ${process.execPath}`;
      if (Number(process.versions.node.split('.')[0]) < 24) return fail(text, `npm ci --prefix ${CODE_ROOT}`);
      return ours ? ok(text) : warn(`${text}: not the pinned one`, `npm ci --prefix ${CODE_ROOT}`);
    },
  },
  {
    id: 'packages',
    title: 'packages as package.json pins them',
    look: async () => {
      const wrong = Object.entries(packageJson(CODE_ROOT).dependencies ?? {}).flatMap(([name, version]) => {
        const folder = path.join(CODE_ROOT, 'node_modules', name);
        if (!existsSync(folder)) return [`${name} is missing`];
        const there = packageJson(folder).version;
        return there === version ? [] : [`${name} is ${there}, pinned ${version}`];
      });
      return wrong.length > 0 ? fail(wrong.join('; '), `npm ci --prefix ${CODE_ROOT}`) : ok('all of them');
    },
  },
  {
    id: 'config',
    title: 'the configuration is sound',
    look: async ({ config }) => {
      // It was loaded to come here; what remains is what stands in both places.
      const set = describeConfig({ home: config.home }).filter((key) => key.set);
      return ok(`${set.length} keys are set`);
    },
  },
  {
    id: 'tasks',
    title: 'every file of the tasks folders is a task',
    look: async ({ config }) => {
      const { tasks, faults } = await loadTasks(taskFolders(config));
      return faults.length > 0
        ? fail(faults.map((fault) => `${fault.file}: ${fault.message}`).join('; '), 'openclaw tasks list')
        : ok(`${tasks.size} tasks`);
    },
  },
  {
    id: 'schedules',
    title: 'every line of the crontabs can be run',
    look: async ({ config }) => {
      const { tasks } = await loadTasks(taskFolders(config));
      const known = new Map([...tasks.values()].map((task) => [task.identifier, task.maxAttempts]));
      const { schedules, faults } = await readCrontabs(config, known);
      return faults.length > 0
        ? fail(
            faults.map((fault) => `${fault.file}:${fault.line}: ${fault.message}`).join('; '),
            'correct or remove the line',
          )
        : ok(`${schedules.length} schedules`);
    },
  },
  {
    id: 'curl',
    title: 'curl is there, for the second path of alerts',
    look: async () => {
      const found = (process.env.PATH ?? '').split(':').find((folder) => existsSync(path.join(folder, 'curl')));
      return found ? ok(path.join(found, 'curl')) : fail('no curl on PATH', 'apt-get install curl');
    },
  },
  {
    id: 'units',
    title: 'the installed units are those of this release',
    look: async () => {
      const { readdirSync } = await import('node:fs');
      const installed = '/etc/systemd/system';
      const ours = readdirSync(path.join(CODE_ROOT, 'systemd')).filter((name) =>
        /\.(service|timer|target)$/.test(name),
      );
      const there = ours.filter((name) => existsSync(path.join(installed, name)));
      if (!there.includes('openclaw.service')) return skipped('not installed as units: openclaw install');
      const drifted = ours.filter((name) => {
        if (!there.includes(name)) return name !== 'cloudflared.service';
        return (
          readFileSync(path.join(installed, name), 'utf8') !==
          readFileSync(path.join(CODE_ROOT, 'systemd', name), 'utf8')
        );
      });
      return drifted.length > 0
        ? warn(`missing or different: ${drifted.join(', ')}`, 'openclaw install --dry-run, then openclaw install')
        : ok(`${there.length} units`);
    },
  },
];
