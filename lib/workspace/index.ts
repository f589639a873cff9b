export { type Section, toMarkdown } from './markdown.ts';
export { NOTE_LIMIT_BYTES, type NoteRequest, type WrittenNote, writeNote } from './writeNote.ts';
