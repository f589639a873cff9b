import { z } from 'zod';
import { defineTask } from '../../../lib/tasks/index.ts';

const NUL = String.fromCharCode(0);
const HALF = '😀'.slice(0, 1);

/** What tasks of others may return or throw, on purpose or not. */
const ODDITIES: Record<string, () => unknown> = {
  nul: () => ({ text: `a${NUL}b`, [`k${NUL}`]: 1 }),
  half: () => ({ text: `a${HALF}b` }),
  cycle: () => {
    const loop: Record<string, unknown> = {};
    loop.self = loop;
    return loop;
  },
  bigint: () => ({ n: 12345678901234567890n }),
  infinite: () => ({ n: Number.POSITIVE_INFINITY }),
  large: () => ({ text: 'x'.repeat(300_000) }),
  nothing: () => undefined,
  secret: () => ({ note: 'bot 123456789:AAabcdefghijklmnopqrstuvwxyz0123456', api_key: 'abc' }),
  throwNul: () => {
    throw new Error(`nul ${NUL} here`);
  },
  throwHalf: () => {
    throw new Error(`half ${HALF} here`);
  },
  throwCut: () => {
    // Wherever it is cut, a character of two halves may be there.
    throw new Error(`${'x'.repeat(3999)}${'😀'.repeat(1000)}`);
  },
  throwName: () => {
    throw Object.assign(new Error('its name is odd'), { name: `Bad${NUL}${'x'.repeat(5000)}` });
  },
  throwText: () => {
    throw 'only a text';
  },
  throwNull: () => {
    throw null;
  },
  throwMute: () => {
    throw Object.create(null);
  },
  throwSecret: () => {
    throw new Error(
      'bot 123456789:AAabcdefghijklmnopqrstuvwxyz0123456 and postgres://me:hunter2secret@db.example/x failed',
    );
  },
};

export default defineTask(
  {
    title: 'Return or throw something odd',
    payload: z.object({ what: z.string() }),
    effect: 'read',
    retries: 9,
    backoff: { initial: '40 s', factor: 2, max: '60 s' },
  },
  async ({ what }) => ODDITIES[what]!(),
);
