/** Telegram's limits are not published; observed are about 30 messages a second, 1 a second in a chat with bursts, 20 a minute in a group. */
const ALL = { burst: 25, perS: 25 };
const CHAT = { burst: 20, perS: 1 };
const GROUP = { burst: 5, perS: 20 / 60 };
const EDIT_MS = 1000;

interface Bucket {
  left: number;
  at: number;
}

/** Which chats rest now, so that a 429 is the exception. */
export function createPace(now: () => number = Date.now, chatBurst = CHAT.burst) {
  const all: Bucket = { left: ALL.burst, at: now() };
  const chats = new Map<string, Bucket>();
  const until = new Map<string, number>();
  const fill = (bucket: Bucket, { burst, perS }: { burst: number; perS: number }) => {
    const at = now();
    bucket.left = Math.min(burst, bucket.left + ((at - bucket.at) / 1000) * perS);
    bucket.at = at;
    return bucket;
  };
  const rest = (chat: string, ms: number) => void until.set(chat, Math.max(until.get(chat) ?? 0, now() + ms));
  return {
    ready: () => fill(all, ALL).left >= 1,
    rest,
    took: (chat: string, edit: boolean) => {
      fill(all, ALL).left -= 1;
      const limits = chat.startsWith('-') ? GROUP : { ...CHAT, burst: chatBurst };
      const bucket = fill(chats.get(chat) ?? { left: limits.burst, at: now() }, limits);
      bucket.left -= 1;
      chats.set(chat, bucket);
      if (bucket.left < 1) rest(chat, ((1 - bucket.left) / limits.perS) * 1000);
      if (edit) rest(chat, EDIT_MS);
    },
    resting: (): string[] => {
      const at = now();
      for (const [chat, time] of until) if (time <= at) until.delete(chat);
      // A full bucket is as good as none.
      for (const [chat, bucket] of chats) if (at - bucket.at > 120_000) chats.delete(chat);
      return [...until.keys()];
    },
    /** Until something that rests is awake. */
    nextMs: (): number => {
      const at = now();
      const waits = [...until.values()].map((time) => time - at);
      if (fill(all, ALL).left < 1) waits.push(((1 - all.left) / ALL.perS) * 1000);
      return Math.max(10, Math.min(2000, ...waits));
    },
  };
}
