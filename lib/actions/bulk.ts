import { EXIT, OpenClawError } from '../errors/index.ts';
import type { ActionContext, ActionInput, ActionResult, Option } from './types.ts';

export const FILTER_OPTIONS: readonly Option[] = [
  {
    flags: '--filter <conditions>',
    description: 'all that match, for example "kind=report error_class=timeout since=2h"; counts them only',
  },
  { flags: '--apply', description: 'with --filter: change them' },
];

/** The same change for all that a filter matches; without --apply it is only told what matches. @throws E_FILTER. */
export async function changeMatching(
  { db }: ActionContext,
  verb: 'missions retry' | 'missions cancel' | 'jobs retry' | 'jobs cancel',
  args: ActionInput['args'],
  options: ActionInput['options'],
): Promise<ActionResult> {
  if (args[0] !== undefined) {
    throw new OpenClawError('E_FILTER', `both an id (${args[0]}) and a filter are given`, {
      remedy: 'give one of them',
      exitCode: EXIT.usage,
    });
  }
  const filter = parseFilter(String(options.filter));
  const apply = options.apply === true;
  const { rows } = await db.query<{
    result: { matched: number; ids: number[]; done: number; refused: { id: number; error: string }[] };
  }>('select change_matching($1, $2::jsonb, $3) as result', [verb, JSON.stringify(filter), apply]);
  const { matched, ids, done, refused } = rows[0]!.result;
  const letter = verb.startsWith('missions') ? 'm' : 'j';
  const named = ids.map((id) => `${letter}${id}`).join(' ');
  const lines = apply
    ? [`${verb}: ${done} of ${matched} done`, ...refused.map(({ id, error }) => `  ${letter}${id}: ${error}`)]
    : [
        `${verb}: ${matched} match${matched > 0 ? `: ${named}${matched > ids.length ? ' ...' : ''}` : ''}`,
        'nothing was changed; add --apply',
      ];
  return { json: rows[0]!.result, text: lines.join('\n'), exitCode: refused.length > 0 ? EXIT.degraded : EXIT.ok };
}

/** `kind=report since=2h` as an object. */
function parseFilter(text: string): Record<string, string> {
  const parts = text.split(/[\s,]+/).filter(Boolean);
  return Object.fromEntries(
    parts.map((part) => {
      const [, key, value] = /^([a-z_]+)=(.+)$/.exec(part) ?? [];
      if (!key || !value) {
        throw new OpenClawError('E_FILTER', `"${part}" is no condition`, {
          expected: 'key=value, with state, kind, task, error_class, since',
          exitCode: EXIT.usage,
        });
      }
      return [key, value];
    }),
  );
}
