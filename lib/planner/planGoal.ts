import type { Config } from '../config/index.ts';
import { type Pool, transaction } from '../db/index.ts';
import { OpenClawError } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';
import { type CallOrigin, type ChatMessage, chat, modelsToAsk, type SettingsReader } from '../providers/index.ts';
import { frameOutside } from '../research/index.ts';
import { plannableTasks, type Suggestion, suggestPlans, type TaskFacts } from './catalogue.ts';
import { estimateUsd } from './estimate.ts';
import { PROPOSED, type ProposedPlan } from './shape.ts';

export interface PlannerDeps {
  readonly db: Pool;
  readonly settings: SettingsReader;
  readonly config: Config;
  readonly log: Logger;
}

export interface Goal {
  readonly words: string;
  /** Material that goes with it (a forwarded message, a file): read, never obeyed, and it makes the plan untrusted. */
  readonly material?: string;
  readonly untrusted?: boolean;
  readonly origin: CallOrigin;
  readonly signal?: AbortSignal;
}

export type Planned =
  | {
      readonly outcome: 'proposed';
      readonly plan: ProposedPlan;
      readonly costEstimateUsd: number;
      readonly proposal: string;
      readonly state: string;
      readonly mission: string | null;
      readonly approval: string | null;
      readonly reason: string | null;
      readonly repairs: number;
      readonly model: string;
      readonly planningUsd: number;
    }
  | { readonly outcome: 'cannot'; readonly reason: string; readonly suggestions: readonly Suggestion[] }
  | { readonly outcome: 'no_model'; readonly reason: string; readonly suggestions: readonly Suggestion[] }
  | { readonly outcome: 'unsound'; readonly faults: readonly string[]; readonly suggestions: readonly Suggestion[] };

const REPAIRS = 2;

/**
 * A goal in words as a proposal: a model writes a plan, the database says what is wrong with it (as with any plan), twice at
 * most it is mended, and then the gate has it. The model chooses among tasks; it does nothing.
 *
 * @throws what chat() throws except E_NO_MODEL, which is an outcome.
 */
export async function planGoal(deps: PlannerDeps, goal: Goal): Promise<Planned> {
  const suggestions = () => suggestPlans(deps.config, goal.words);
  try {
    modelsToAsk(deps.settings.read());
  } catch (error) {
    if (!(error instanceof OpenClawError) || error.code !== 'E_NO_MODEL') throw error;
    return { outcome: 'no_model', reason: `${error.message}: ${error.remedy}`, suggestions: await suggestions() };
  }
  const tasks = await plannableTasks(deps.db);
  const messages: ChatMessage[] = firstMessages(goal, tasks);
  let faults: string[] = [];
  let planningUsd = 0;
  for (let repairs = 0; repairs <= REPAIRS; repairs++) {
    const answer = await chat(deps, {
      messages,
      shape: { name: 'proposal', schema: PROPOSED },
      purpose: 'plan',
      origin: goal.origin,
      temperature: 0.2,
      signal: goal.signal,
    });
    planningUsd += answer.usage.costUsd;
    const { cannot, plan } = answer.data;
    if (!plan)
      return {
        outcome: 'cannot',
        reason: cannot || 'the model made no plan and did not say why',
        suggestions: await suggestions(),
      };
    faults = await faultsOf(deps, plan, tasks);
    if (faults.length === 0)
      return propose(deps, goal, plan, { repairs, model: `${answer.provider}/${answer.model}`, planningUsd });
    messages.push(
      { role: 'assistant', content: answer.text },
      {
        role: 'user',
        content: `The plan has faults:\n${faults.map((fault) => `- ${fault}`).join('\n')}\nAnswer again with the whole corrected object.`,
      },
    );
  }
  return { outcome: 'unsound', faults, suggestions: await suggestions() };
}

async function faultsOf({ db }: PlannerDeps, plan: ProposedPlan, tasks: readonly TaskFacts[]): Promise<string[]> {
  const known = new Set(tasks.map(({ identifier }) => identifier));
  const withheld = plan.steps
    .filter(({ task }) => !known.has(task))
    .map(({ name, task }) => `step ${name}: task "${task}" is none of those that were listed`);
  if (withheld.length > 0) return withheld;
  const { rows } = await db.query<{ fault: string }>(
    "select format('%s: %s', at, message) as fault from plan_faults($1::jsonb) limit 30",
    [JSON.stringify(plan)],
  );
  return rows.map(({ fault }) => fault);
}

async function propose(
  deps: PlannerDeps,
  goal: Goal,
  plan: ProposedPlan,
  made: { repairs: number; model: string; planningUsd: number },
): Promise<Planned> {
  const costEstimateUsd = estimateUsd(plan, deps.settings.read());
  // The model's plan is the agent's proposal and not the person's own submission: what policy asks of a machine is asked of it.
  const answer = await transaction(deps.db, async (tx) => {
    await tx.query(
      "select set_config('openclaw.actor', 'agent:milkbot', true), set_config('openclaw.source', 'agent', true), set_config('openclaw.trace', $1, true)",
      [goal.origin.traceId ?? ''],
    );
    const { rows } = await tx.query<{
      proposal: string;
      state: string;
      mission: string | null;
      approval: string | null;
      reason: string | null;
    }>(
      "select * from propose_mission($1::jsonb, title => $2, untrusted => $3, agent => 'milkbot', cost_estimate_usd => $4)",
      [JSON.stringify(plan), plan.title, goal.untrusted === true || goal.material !== undefined, costEstimateUsd],
    );
    return rows[0]!;
  });
  return { outcome: 'proposed', plan, costEstimateUsd, ...answer, ...made };
}

function firstMessages(goal: Goal, tasks: readonly TaskFacts[]): ChatMessage[] {
  const framed =
    goal.material === undefined ? undefined : frameOutside([{ origin: 'material of the goal', text: goal.material }]);
  return [
    {
      role: 'system',
      content: [
        'You turn the goal of an operator into a plan of steps. A person or policy decides whether it runs; you only propose.',
        'A step is {"name", "task", "payload", "needs"}: name a-z, 0-9, _; needs names earlier steps; steps without needs run side by side.',
        'A payload takes from an earlier step by {"$path": "$.steps.<name>.output.<key>"} as a whole value (SQL/JSON path), and the step must need that one. There is no other templating.',
        'Use as few steps as do it. Where the tasks below cannot do it, give plan null and say in "cannot" what is missing.',
        'What tasks give: web_search {urls, results, answer}; fetch_url {text, status}; llm {text, data}; research {summary, signals}; host_sample the figures of this host.',
        `The tasks, each with its effect and the JSON Schema of its payload:\n${tasks.map(describe).join('\n')}`,
        ...(framed ? [framed.rule] : []),
      ].join('\n'),
    },
    { role: 'user', content: `${framed ? `${framed.text}\n\n` : ''}The goal: ${goal.words.slice(0, 8000)}` },
  ];
}

function describe({ identifier, title, effect, payload_schema }: TaskFacts): string {
  const { properties = {}, required = [] } = payload_schema as { properties?: object; required?: string[] };
  return `- ${identifier} (${effect}): ${title}. Payload: ${JSON.stringify({ properties, required })}`;
}
