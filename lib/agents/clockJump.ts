const LOOK_MS = 1000;
/** More than clocks drift or are slewed between two looks. */
const JUMP_MS = 2000;

/**
 * Tells when the host's clock was set, or the machine slept. node-cron waits for the next time by that clock: set back by an hour, it
 * would stand still for an hour.
 */
export function onClockJump(
  tell: () => void,
  clock = { wall: () => Date.now(), monotonic: () => performance.now() },
): { stop: () => void } {
  const offset = () => clock.wall() - clock.monotonic();
  let last = offset();
  const timer = setInterval(() => {
    const now = offset();
    const jumped = Math.abs(now - last) > JUMP_MS;
    last = now;
    if (jumped) tell();
  }, LOOK_MS);
  return { stop: () => clearInterval(timer) };
}
