import { KEY_NAMES, type KeyName, notesOf } from './schema.ts';
import { type Environment, readSources } from './sources.ts';

export interface KeyDescription {
  readonly key: KeyName;
  readonly group: string;
  readonly description: string;
  /** Given by the environment, the credentials or the file. */
  readonly set: boolean;
  readonly secret: boolean;
  readonly source: 'environment' | 'credentials' | 'file' | 'default' | 'unset';
}

/**
 * Which keys are set and where, for `config check`; no values.
 *
 * @throws E_CONFIG_UNKNOWN_KEY, E_ENV_FILE_OPEN, E_ENV_FILE_UNREADABLE, as loadConfig does. Values are not checked here.
 */
export function describeConfig(environment: Environment = {}): KeyDescription[] {
  const { given } = readSources(environment);
  return KEY_NAMES.map((key) => {
    const notes = notesOf(key);
    const source = given.get(key)?.source ?? (notes.default === undefined ? 'unset' : 'default');
    return {
      key,
      group: notes.group,
      description: notes.description,
      set: given.has(key),
      secret: notes.secret,
      source,
    };
  });
}
