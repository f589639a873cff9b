import { z } from 'zod';
import type { ChatMessage } from './types.ts';

/** What the model is told of the shape. Not strict: a plan's payloads are free, which strict schemas forbid. */
export function shapeJson(schema: z.ZodType): Record<string, unknown> {
  const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Record<string, unknown>;
  delete json.$schema;
  return json;
}

export function shapeInstruction(name: string, json: Record<string, unknown>): ChatMessage {
  return {
    role: 'system',
    content: `Answer with one JSON object (${name}) and nothing else: no prose, no code fence. It fits this JSON Schema:\n${JSON.stringify(json)}`,
  };
}

export type Read<T> = { data: T; faults: [] } | { data?: undefined; faults: string[] };

/** The first JSON object of a text, fenced or with words around it, checked; or every fault. */
export function readShape<T>(text: string, schema: z.ZodType<T>): Read<T> {
  const value = firstObject(text);
  if (value === undefined) return { faults: ['the answer holds no whole JSON object'] };
  const parsed = schema.safeParse(value);
  if (parsed.success) return { data: parsed.data, faults: [] };
  return {
    faults: parsed.error.issues
      .slice(0, 20)
      .map((issue) => `${issue.path.join('.') || 'the object'}: ${issue.message}`),
  };
}

function firstObject(text: string): unknown {
  const start = text.indexOf('{');
  if (start < 0) return undefined;
  // From the last closing brace inwards: what follows the object is prose or a fence.
  for (
    let end = text.lastIndexOf('}'), tries = 0;
    end > start && tries < 20;
    end = text.lastIndexOf('}', end - 1), tries++
  ) {
    try {
      return JSON.parse(text.slice(start, end + 1));
    } catch {
      // Not where it ends.
    }
  }
  return undefined;
}
