import type { Suggestion } from './catalogue.ts';
import type { Planned } from './planGoal.ts';

/** What came of a goal, short enough for a phone: the state first, then the steps and the cost, then what can be done. */
export function plannedText(planned: Planned): string {
  if (planned.outcome === 'proposed') {
    const { plan, costEstimateUsd, proposal, state, mission, approval, reason } = planned;
    const steps = plan.steps.map(
      ({ name, task, needs }, index) =>
        `${index + 1}. ${name}: ${task}${needs.length > 0 ? ` (after ${needs.join(', ')})` : ''}`,
    );
    const next =
      mission !== null
        ? `It runs as m${mission}.`
        : approval !== null
          ? `Nothing starts before you say so: openclaw approve a${approval}, or openclaw reject a${approval}`
          : (reason ?? '');
    return [`p${proposal} ${state}: ${plan.title}`, ...steps, `about $${costEstimateUsd.toFixed(4)}`, next]
      .filter(Boolean)
      .join('\n');
  }
  const first =
    planned.outcome === 'no_model'
      ? `No plan: ${planned.reason}`
      : planned.outcome === 'cannot'
        ? `No plan: ${planned.reason}`
        : `No plan: the model's plan stayed unsound after two repairs:\n${planned.faults.map((fault) => `- ${fault}`).join('\n')}`;
  return [first, ...suggestionLines(planned.suggestions)].join('\n');
}

function suggestionLines(suggestions: readonly Suggestion[]): string[] {
  if (suggestions.length === 0) return [];
  return [
    'Plans that there are:',
    ...suggestions.map(({ name, title }) => `- ${name}: ${title} (openclaw missions new ${name})`),
  ];
}
