import { readFileSync } from 'node:fs';

// Imported, or preloaded (NODE_OPTIONS=--import): Date is that of a host whose clock was set. The file that TEST_CLOCK names
// holds by how many ms. Timers and performance.now() are monotonic on a real host, too, and stay as they are.

const file = process.env.TEST_CLOCK;
const RealDate = Date;
let offsetMs = 0;
if (file) {
  const look = () => {
    offsetMs = Number(readFileSync(file, 'utf8')) || 0;
  };
  look();
  setInterval(look, 20).unref();
  const now = () => RealDate.now() + offsetMs;
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, newTarget) => Reflect.construct(target, args.length > 0 ? args : [now()], newTarget),
    apply: () => new RealDate(now()).toString(),
    get: (target, key) => (key === 'now' ? now : Reflect.get(target, key)),
  });
}
