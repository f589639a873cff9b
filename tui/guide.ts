import { PAGES } from './pages/index.ts';
import { keyHelp } from './session/keyTable.ts';

/** The tables of the guide (docs/screen.md): keys and pages as they are. A test compares; `bin/openclaw-node tui/guide.ts` prints them. */
export function keyTables(): string {
  const cell = (text: string) => text.replace(/\|/g, '\\|');
  const tables = keyHelp().map(({ group, rows }) =>
    [
      `### ${group}`,
      '',
      '| key | what it does |',
      '|---|---|',
      ...rows.map(([keys, help]) => `| \`${cell(keys)}\` | ${cell(help)} |`),
      '',
    ].join('\n'),
  );
  const pages = [
    '### Pages',
    '',
    '| page | key | what it shows |',
    '|---|---|---|',
    ...PAGES.map(
      ({ title, key, about, detailOf }) =>
        `| ${title} | ${key ? `\`${key}\`` : detailOf ? `enter, on ${detailOf}` : `\`:${title}\``} | ${cell(about)} |`,
    ),
    '',
  ].join('\n');
  return [pages, ...tables].join('\n');
}

if (import.meta.main) process.stdout.write(keyTables());
