/** A flag that something has happened and the wait for it: what is told before the wait begins is not lost. */
export function createNews(): { tell: () => void; wait: (atMostMs: number) => Promise<void> } {
  let told = false;
  let wake: () => void = () => undefined;
  return {
    tell: () => {
      told = true;
      wake();
    },
    wait: async (atMostMs) => {
      if (!told) {
        await new Promise<void>((resolve) => {
          const timer = Number.isFinite(atMostMs) ? setTimeout(resolve, Math.max(1, Math.ceil(atMostMs))) : undefined;
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      told = false;
    },
  };
}
