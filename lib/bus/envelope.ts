import { randomUUID } from 'node:crypto';
import { z } from 'zod';

/** The channels, and what a message on each means. None carries data: the reference names a row of Postgres. */
export const CHANNELS = {
  'gateway:events': 'a message came in',
  'agent:heartbeat': 'an agent is alive',
  'mission:queue': 'work is there',
  'outcome:learn': 'an outcome is there',
  'reaction:trigger': 'a rule fired for you',
} as const;
export type Channel = keyof typeof CHANNELS;

const ENVELOPE = z.strictObject({
  v: z.literal(1),
  id: z.uuid(),
  /** What the reference is of: `agent_message`, `beat`, … */
  type: z.string().regex(/^[a-z][a-z0-9_.]{0,63}$/),
  /** Of a row: `scout/12`. */
  ref: z.string().min(1).max(200),
  trace: z.uuid().nullable(),
  ts: z.iso.datetime(),
});
export type Envelope = z.infer<typeof ENVELOPE>;

/** More than any envelope takes; what is longer is not even parsed. */
const LENGTH_LIMIT = 1024;

export function envelope(type: string, ref: string, trace: string | null): Envelope {
  return { v: 1, id: randomUUID(), type, ref, trace, ts: new Date().toISOString() };
}

/** The envelope in a text from Redis, or undefined: whoever can write there can write anything. */
export function readEnvelope(text: string): Envelope | undefined {
  if (text.length > LENGTH_LIMIT) return undefined;
  try {
    const parsed = ENVELOPE.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : undefined;
  } catch {
    // Not JSON: counted as bad by the caller, like any other that does not fit.
    return undefined;
  }
}
