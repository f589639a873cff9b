import { modelsToAsk, type Settings } from '../providers/index.ts';
import type { ProposedPlan } from './shape.ts';

/** A usual call: a page or two of input, half a page of answer. */
const USUAL_TOKENS = { input: 4000, output: 1500 };

/** What a plan will about cost, by the prices in force; the gate reserves nothing by it, each call reserves its own. */
export function estimateUsd(plan: ProposedPlan, settings: Settings): number {
  let total = 0;
  for (const { task, payload } of plan.steps) {
    if (task === 'llm') total += modelUsd(settings);
    else if (task === 'web_search') total += searchUsd(settings, payload.depth === 'answer' ? 'answer' : 'search');
    else if (task === 'research')
      total += Math.min(
        typeof payload.budget_usd === 'number' ? payload.budget_usd : 0.1,
        searchUsd(settings, 'search') + 4 * modelUsd(settings),
      );
  }
  return Math.round(total * 1e6) / 1e6;
}

function modelUsd(settings: Settings): number {
  const price = modelsToAsk(settings)[0]?.facts.usd_per_million;
  return price ? (USUAL_TOKENS.input * price.input + USUAL_TOKENS.output * price.output) / 1e6 : 0;
}

function searchUsd({ providers }: Settings, kind: 'search' | 'answer'): number {
  const provider = providers.get(kind === 'answer' ? 'perplexity' : 'brave');
  return provider?.kind === 'search' ? (provider.usd_per_call[kind] ?? 0) : 0;
}
