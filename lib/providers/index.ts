export { type ChatDeps, chat } from './chat.ts';
export { callsOfTask, settingsOf } from './forTask.ts';
export { guardLoop, hashOf, noteCall } from './loopGuard.ts';
export { isRetryableCall } from './retryable.ts';
export {
  isConfigured,
  modelsToAsk,
  type Provider,
  type SearchProvider,
  type Settings,
  type SettingsReader,
  settingsReader,
} from './settings.ts';
export { spending } from './spend.ts';
export {
  CallError,
  type CallOrigin,
  type ChatAnswer,
  type ChatMessage,
  type ChatRequest,
  type Usage,
} from './types.ts';
