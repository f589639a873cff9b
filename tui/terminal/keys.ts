import { EventEmitter } from 'node:events';
import { emitKeypressEvents, type Interface, type Key } from 'node:readline';
import { StringDecoder } from 'node:string_decoder';

export type Input =
  | { readonly kind: 'key'; readonly name: string; readonly text: string }
  | { readonly kind: 'paste'; readonly text: string }
  | { readonly kind: 'mouse'; readonly what: 'up' | 'down' | 'press'; readonly x: number; readonly y: number };

/** How long a lone ESC waits for what would make it the start of a sequence. */
const ESCAPE_MS = 40;
/** A paste longer than this is no command. */
const PASTE_LIMIT = 4096;
// biome-ignore lint/suspicious/noControlCharactersInRegex: a mouse report starts with ESC.
const MOUSE = /\x1b\[<(\d+);(\d+);(\d+)([Mm])/g;

/** Bytes of a terminal as keys, pastes and mouse reports. A paste is one input, so that it can never press keys. */
export function decodeKeys(listener: (input: Input) => void): (chunk: Buffer) => void {
  const source = new EventEmitter();
  const decoder = new StringDecoder('utf8');
  let paste: string | undefined;
  source.on('keypress', (text: string | undefined, key: Key) => {
    if (key.name === 'paste-start') paste = '';
    else if (key.name === 'paste-end') {
      if (paste !== undefined) listener({ kind: 'paste', text: paste });
      paste = undefined;
    } else if (paste !== undefined) paste = (paste + (key.sequence ?? text ?? '')).slice(0, PASTE_LIMIT);
    else listener({ kind: 'key', name: nameOf(text, key), text: printable(text, key) });
  });
  emitKeypressEvents(
    source as NodeJS.ReadableStream & EventEmitter,
    { escapeCodeTimeout: ESCAPE_MS } as unknown as Interface,
  );
  return (chunk) => {
    const text = decoder.write(chunk).replace(MOUSE, (_all, button: string, x: string, y: string, end: string) => {
      const code = Number(button);
      const what = code === 64 ? 'up' : code === 65 ? 'down' : code === 0 && end === 'M' ? 'press' : undefined;
      if (what && paste === undefined) listener({ kind: 'mouse', what, x: Number(x) - 1, y: Number(y) - 1 });
      return '';
    });
    if (text !== '') source.emit('data', Buffer.from(text));
  };
}

function printable(text: string | undefined, key: Key): string {
  if (text === undefined || key.ctrl || key.meta) return '';
  return /^[^\p{Cc}]+$/u.test(text) ? text : '';
}

/** One name for a key: `j`, `G`, `space`, `enter`, `ctrl-c`, `pageup`. */
function nameOf(text: string | undefined, key: Key): string {
  const name = key.name === 'return' ? 'enter' : (key.name ?? text ?? '');
  if (key.ctrl) return `ctrl-${name}`;
  if (key.meta && name !== 'escape') return `alt-${name}`;
  if (text && text.length > 0 && text !== ' ' && /^[^\p{Cc}]$/u.test(text)) return text;
  return key.shift && name.length > 1 ? `shift-${name}` : name;
}
