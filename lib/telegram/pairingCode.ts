import { randomInt } from 'node:crypto';

/** No 0, O, 1 or I: a code is read aloud and typed. */
const LETTERS = 'ABCDEFGHJKLMNPQRSTUVWXYZ23456789';
const LENGTH = 8;

export function pairingCode(): string {
  return Array.from({ length: LENGTH }, () => LETTERS[randomInt(LETTERS.length)]).join('');
}

/** As it is shown: ABCD-EFGH. */
export const inHalves = (code: string) => `${code.slice(0, 4)}-${code.slice(4)}`;
