export { type Suggestion, suggestPlans } from './catalogue.ts';
export { type Goal, type Planned, type PlannerDeps, planGoal } from './planGoal.ts';
export { plannedText } from './text.ts';
