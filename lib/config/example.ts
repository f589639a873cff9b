import { KEY_NAMES, notesOf } from './schema.ts';

const HEAD = `# Copy to config/.env under the home, chmod 600, and fill in what you have. Nothing here is required: what is unset is
# skipped. The environment wins over the file. Quote a value that holds # or blanks. Each key: KEY=value.
`;

/** The text of `config/.env.example`: every key in its group, described, none with a value. */
export function envExample(): string {
  const parts = [HEAD];
  let group = '';
  for (const key of KEY_NAMES) {
    const notes = notesOf(key);
    if (notes.group !== group) {
      group = notes.group;
      parts.push(`\n# --- ${group} ---\n`);
    }
    const preset = notes.default === undefined ? '' : ` Default: ${notes.default}`;
    parts.push(`# ${notes.description}${notes.secret ? ' Secret.' : ''}${preset}\n${key}=\n`);
  }
  return parts.join('');
}

if (import.meta.main) process.stdout.write(envExample());
