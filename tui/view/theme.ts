import type { Style } from './frame.ts';

/**
 * Styles as SGR parameters, in the sixteen colours of the terminal's own palette. Colour never stands alone: states have a
 * sign and a word, the cursor has a sign.
 */
export type Theme = Readonly<Record<Style, string>>;

const DARK: Theme = {
  plain: '',
  dim: '90',
  bold: '1',
  good: '32',
  warn: '33',
  bad: '1;31',
  info: '36',
  accent: '1;36',
  select: '7',
  mark: '1;35',
  alarm: '1;97;41',
  bar: '97;44',
};

/** On a light ground yellow and cyan are hard to read. */
const LIGHT: Theme = { ...DARK, warn: '35', info: '34', accent: '1;34', bar: '97;44' };

const MONO: Theme = {
  plain: '',
  dim: '',
  bold: '1',
  good: '',
  warn: '1',
  bad: '1;4',
  info: '',
  accent: '1',
  select: '7',
  mark: '1',
  alarm: '1;7',
  bar: '7',
};

export const THEMES = { dark: DARK, light: LIGHT, mono: MONO } as const;
export type ThemeName = keyof typeof THEMES;
export const THEME_NAMES = Object.keys(THEMES) as readonly ThemeName[];
