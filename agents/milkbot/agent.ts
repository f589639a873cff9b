import { defineAgent } from '../../lib/agents/index.ts';

export default defineAgent({ handlers: {} });
