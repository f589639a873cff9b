import type { Queryable } from '../db/index.ts';

/** How many events became which decision; of all events that were decided in one statement with those that were asked for. */
export type Decided = Record<string, number>;

interface Member {
  events: readonly (string | number)[];
  resolve: (decided: Decided) => void;
  reject: (error: unknown) => void;
}

/** A statement takes so many events at most; one job has 500. */
const MOST = 1000;

/**
 * Decides events; what is asked for while one statement runs is decided by the next, all of it together: a thousand events that
 * were inserted one by one are a thousand jobs, and would else be a thousand statements and commits. Deciding twice decides
 * once, so a group that fails is tried again one by one, and only what is at fault fails.
 */
export function decideTogether(query: Queryable['query']): (events: Member['events']) => Promise<Decided> {
  const waiting: Member[] = [];
  let busy = false;

  const decide = async (group: readonly Member[]): Promise<Decided> => {
    const events = group.flatMap((member) => member.events);
    const { rows } = await query<{ decided: Decided }>('select react($1::bigint[]) as decided', [events]);
    return { events: events.length, ...rows[0]!.decided };
  };
  const next = (): Member[] => {
    let events = 0;
    const fits = waiting.findIndex((member, at) => {
      events += member.events.length;
      return at > 0 && events > MOST;
    });
    return waiting.splice(0, fits < 0 ? waiting.length : fits);
  };
  const flush = async () => {
    while (waiting.length > 0) {
      const group = next();
      try {
        const decided = await decide(group);
        for (const member of group) member.resolve(decided);
      } catch (error) {
        if (group.length === 1) group[0]!.reject(error);
        else for (const member of group) await decide([member]).then(member.resolve, member.reject);
      }
    }
    busy = false;
  };

  return (events) =>
    new Promise((resolve, reject) => {
      waiting.push({ events, resolve, reject });
      if (busy) return;
      busy = true;
      // The jobs of one fetch begin in one turn: they are all in hand after it.
      setImmediate(() => void flush());
    });
}
