// What an agent's folder imports, as `openclaw/agents`, and what starts the loops.
export { z } from 'zod';
export { PermanentError } from '../tasks/define.ts';
export { BEAT_MS, type Beat, BRIDGE_KEY, insertBeat, STATUS_TTL_S, statusKey } from './beat.ts';
export { type Bridge, startBridge } from './bridge.ts';
export { type Identity, type LoadedIdentity, loadIdentity, parseIdentity } from './identity.ts';
export { agentFolders, folderOf, loadDefinition, registerAgent, registerAllAgents } from './load.ts';
export { type AgentOptions, type RunningAgent, startAgent } from './loop.ts';
export {
  type AgentContext,
  type AgentDefinition,
  type AgentMessage,
  type Button,
  defineAgent,
  type Handler,
  handler,
  type ReplyOptions,
  type Tick,
} from './types.ts';
