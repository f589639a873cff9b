/**
 * What a secret looks like when its value is not known. Two properties hold for each pattern:
 * - JSON text stays valid: nothing takes in a structural quote or half an escape, so a log line is scrubbed as written.
 * - It is linear: a repeat is bounded, or is over one class of characters and starts only where a run of it starts.
 *
 * `(?<keep>…)` is what stays, in front of `[redacted]`.
 */
const raw = String.raw;

/** Names whose value is a secret. Not `tokens`, which are counted, nor `pwd` alone, which is a folder. */
const NAME = raw`(?i:pass(?:word|wd|phrase)|[_-]pwd|secret(?:[_-]?(?:access[_-]?)?key)?|api[_-]?key|private[_-]?key|authorization|token)`;
const SCHEME = raw`(?:(?i:bearer|basic|token|bot)\s{1,3})?`;
const BARE = raw`[^\s"'\\&]`;

/** A word begins here; in JSON text also after `\n` and its like, whose letter is not part of the word. */
const START = raw`(?:(?<!\w)|(?<=\\(?:[bfnrt]|u[0-9a-f]{4})))`;

/** What follows the closing quote of a JSON string: in `"a password:",` the quote after the colon opens nothing. */
const OPENED = raw`(?![,}:\]\s]|$)`;
/** Longer than any key; a bound, since V8 keeps a state for each repeat of a group. */
const LONG = '{1,16384}';
/** The inside of `"…"`, of `\"…\"` (JSON in JSON), of the same deeper down, and of `'…'`, by the quote that opens it. */
const INSIDE = [
  ['"', raw`(?:[^"\\]|\\[^])`],
  [raw`\\"`, raw`(?:[^"\\]|\\\\(?:\\["\\]|[^"\\])|\\[^"\\])`],
  // Up to any quote: which one ends it cannot be told from its backslashes alone.
  [raw`\\{3,15}"`, raw`(?:[^"\\]|\\+(?!["\\]))`],
  ["'", raw`(?:[^'"\\]|\\[^"])`],
] as const;

const named = INSIDE.map(
  ([quote, inside]) => raw`(?<keep>${NAME}(?:\\{0,15}["'])?\s{0,3}[=:]\s{0,3}${quote})${OPENED}${inside}${LONG}`,
);

export const PATTERNS: readonly string[] = [
  ...named,
  raw`(?<keep>${NAME}\s?=\s?${SCHEME})${BARE}+`,
  raw`(?<keep>(?i:authorization):\s{0,3}${SCHEME})${BARE}+`,
  // Prose has `token: expected …`, so that after a colon only what looks like a key counts.
  raw`(?<keep>${NAME}:\s{0,3}${SCHEME})(?=${BARE}{0,63}\d|${BARE}{16})${BARE}+`,
  // alter role … password '…'
  raw`(?<keep>(?i:password)\s{1,3}')(?:[^'"\\]|\\[^"])${LONG}`,
  raw`(?<keep>[?&](?:key|sig|signature)=)[^\s"'\\&#]+`,
  raw`(?<keep>${START}(?i:bearer|basic)\s{1,3})(?=[A-Za-z._~/-]{0,63}(?:[\d+=]|[a-z][A-Z])|[\w+/=.~-]{20})[\w+/=.~-]{8,}`,
  // scheme://user:password@
  raw`(?<keep>${START}(?:postgres(?:ql)?|rediss?|https?|mysql|mongodb|amqps?|smtps?|ssh|ftp):\/\/[^\s:@/"'\\]{0,128}:)[^\s/"'\\]{1,256}(?=@)`,
  // Telegram's bot token; digits that end `\u0001` are not its own.
  raw`(?:(?<!\d|\\u)|(?<=\\u[0-9a-f]{4}))\d{6,12}:[\w-]{30,}`,
  raw`${START}(?:sk|pplx|xai)-[\w-]{16,}`,
  // Google: access token, refresh token, API key
  raw`${START}ya29\.[\w-]{16,}`,
  raw`(?:(?<![\w/:])|(?<=\\[bfnrt]))1\/\/[\w-]{20,}`,
  raw`${START}AIza[\w-]{35}`,
  raw`${START}gh[pousr]_[A-Za-z0-9]{20,}`,
  raw`${START}github_pat_\w{20,}`,
  raw`${START}(?:AKIA|ASIA)[A-Z0-9]{16}`,
  raw`${START}(?:npm_[A-Za-z0-9]{30,}|glpat-[\w-]{20,}|SG\.[\w-]{16,}\.[\w-]{16,}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,})`,
  raw`${START}xox[abprs]-[A-Za-z0-9-]{10,}`,
  // JSON web token
  raw`(?:(?<![\w-])|(?<=\\[bfnrt]))eyJ[\w-]{10,}\.[\w-]{10,}(?:\.[\w-]*)?`,
  // A private key that is cut off is one too.
  raw`-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:[^"\\-]|\\[^"]|-(?!----END)){0,20000}(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?`,
  raw`AGE-SECRET-KEY-1[A-Z0-9]{20,}`,
];
