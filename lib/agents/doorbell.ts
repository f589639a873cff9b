/** A ring that comes while nobody waits is not lost: the next wait ends at once. */
export function createDoorbell() {
  let rung = false;
  let wake: (() => void) | undefined;
  return {
    ring: (): void => {
      rung = true;
      wake?.();
    },
    /** Forget what rang so far; called before looking, so that a ring during the look counts. */
    silence: (): void => {
      rung = false;
    },
    /** Until it rings, `ms` have passed, or the signal aborts. */
    wait: (ms: number, signal: AbortSignal): Promise<void> =>
      new Promise((resolve) => {
        if (rung || signal.aborted) return resolve();
        const done = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          wake = undefined;
          resolve();
        };
        const timer = setTimeout(done, ms);
        signal.addEventListener('abort', done, { once: true });
        wake = done;
      }),
  };
}
