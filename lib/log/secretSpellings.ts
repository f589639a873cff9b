const LEAST = 6;

/** The ways in which a value is met in text: raw, URI-encoded, JSON-escaped (up to three times: a log line of an answer that quotes a body), and in base64. */
export function spellingsOf(value: string): Set<string> {
  const spellings = new Set<string>();
  if (value.length < LEAST) return spellings;
  const wellFormed = value.toWellFormed();
  const uri = encodeURIComponent(wellFormed);
  const form = new URLSearchParams([['', wellFormed]]).toString().slice(1);
  const json = escapedTimes(value, 1);
  for (const text of [value, json, escapedTimes(json, 1), escapedTimes(json, 2), uri, form, encodeURI(wellFormed)]) {
    spellings.add(text);
    spellings.add(text.replace(/%[0-9A-F]{2}/g, (byte) => byte.toLowerCase()));
  }
  for (const text of base64Of(value)) {
    spellings.add(text);
    spellings.add(text.replaceAll('+', '-').replaceAll('/', '_'));
  }
  return spellings;
}

/**
 * The value inside of a longer text's base64 (`user:password` for Basic) has three forms, by what is before it. Of each
 * form only the characters that the value alone determines are taken.
 */
function base64Of(value: string): string[] {
  const bytes = Buffer.from(value, 'utf8');
  return [0, 1, 2].map((before) =>
    Buffer.concat([Buffer.alloc(before), bytes])
      .toString('base64')
      .slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6)),
  );
}

function escapedTimes(text: string, times: number): string {
  let escaped = text;
  for (let i = 0; i < times; i++) escaped = JSON.stringify(escaped).slice(1, -1);
  return escaped;
}
