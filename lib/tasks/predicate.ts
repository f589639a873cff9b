import type { TaskDefinition } from './types.ts';

/** A top-level key of a payload, as the database checks it. `types` is empty where anything goes. */
export interface PayloadField {
  key: string;
  required: boolean;
  types: string[];
}

type JsonSchema = Record<string, unknown>;

/** What jsonb cannot hold is no key of a payload that was taken. */
const NUL = String.fromCharCode(0);

/** The top level of a task's JSON Schema. Finer rules are left to the start of the job. */
export function payloadFields(schema: TaskDefinition['payloadSchema']): PayloadField[] {
  const properties = (schema.properties ?? {}) as Record<string, JsonSchema>;
  const required = new Set((schema.required ?? []) as string[]);
  return Object.entries(properties)
    .filter(([key]) => key.isWellFormed() && !key.includes(NUL))
    .map(([key, property]) => ({ key, required: required.has(key), types: typesOf(property) }));
}

/** An extension of ours to JSON Schema: with `anything`, the type is only what a person is told to give. */
export const TAKES = 'x-takes';

function typesOf(schema: JsonSchema): string[] {
  if (schema[TAKES] === 'anything') return [];
  if (typeof schema.type === 'string') return [schema.type];
  if (Array.isArray(schema.type)) return schema.type as string[];
  if ('const' in schema) return [jsonType(schema.const)];
  if (Array.isArray(schema.enum)) return [...new Set(schema.enum.map(jsonType))];
  const branches = (schema.anyOf ?? schema.oneOf) as JsonSchema[] | undefined;
  if (!branches) return [];
  const types = branches.map(typesOf);
  return types.some((branch) => branch.length === 0) ? [] : [...new Set(types.flat())];
}

function jsonType(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

/**
 * The same as one SQL/JSON path predicate. Lax mode, because strict mode gives NULL for an optional key that is missing;
 * so the first conjunct must say that the document is an object (lax mode would look into an array's elements).
 */
export function payloadPredicate(fields: readonly PayloadField[]): string {
  const conjuncts = fields
    .filter((field) => field.required || field.types.length > 0)
    .map((field) => {
      const at = `$.${JSON.stringify(field.key)}`;
      const fits = field.types
        .map((type) =>
          type === 'integer' ? `(${at}.type() == "number" && ${at}.floor() == ${at})` : `${at}.type() == "${type}"`,
        )
        .join(' || ');
      if (!fits) return `exists(${at})`;
      return field.required ? `exists(${at}) && (${fits})` : `(!exists(${at}) || ${fits})`;
    });
  return ['$.type() == "object"', ...conjuncts].join(' && ');
}
