import { z } from 'zod';
import { type Handler, handler } from './types.ts';

/** What every agent answers to. */
export const BUILT_IN: Readonly<Record<string, Handler>> = {
  ping: handler({
    title: 'Says that it is there',
    payload: z.object({}).loose(),
    run: async (_payload, { identity, message, reply }) => {
      reply(`${identity.name} is here.`);
      return { pid: process.pid, attempt: message.attempt };
    },
  }),
};
