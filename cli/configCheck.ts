import { textTable } from '../lib/actions/table.ts';
import { describeConfig, loadConfig } from '../lib/config/index.ts';
import { EXIT } from '../lib/errors/index.ts';

export function configCheck({ json }: { json?: boolean }): number {
  const config = loadConfig();
  const keys = describeConfig();
  if (json) process.stdout.write(`${JSON.stringify({ home: config.home, keys })}\n`);
  else
    process.stdout.write(
      `home  ${config.home}\n${textTable(
        ['key', 'group', 'from'],
        keys.map((key) => [key.key, key.group, key.source]),
      )}\nthe configuration is sound\n`,
    );
  return EXIT.ok;
}
