import ssh2, { type AuthContext } from 'ssh2';
import { fingerprintOf } from '../../lib/devices/publicKey.ts';

export interface Device {
  readonly id: string;
  readonly name: string;
  readonly role: 'viewer' | 'operator';
  readonly fingerprint: string;
}

export type Admit = (fingerprint: string) => Promise<Device | undefined>;

const ATTEMPTS = 6;

/**
 * Public keys of paired devices, and nothing else. The client first asks whether a key would do, then signs with it; both
 * are answered by what the database says now.
 *
 * @param log told of each refusal, with the fingerprint that was offered.
 */
export function authenticator(
  admit: Admit,
  admitted: (device: Device) => void,
  log: (fields: object, message: string) => void,
): (context: AuthContext) => void {
  let attempts = 0;
  return (context) => {
    if (context.method !== 'publickey') return context.reject(['publickey']);
    const { key, signature, blob, hashAlgo } = context;
    const fingerprint = fingerprintOf(key.data);
    const refuse = (reason: string) => {
      attempts++;
      log({ fingerprint, user: context.username.slice(0, 64), reason, attempts }, 'an SSH key was refused');
      // The client is told to stop; whoever goes on is cut off by the limit of time.
      context.reject(attempts >= ATTEMPTS ? [] : ['publickey'], false);
    };
    if (attempts >= ATTEMPTS) return context.reject([]);
    admit(fingerprint)
      .then((device) => {
        if (!device) return refuse('not paired');
        if (!signature) return context.accept();
        const parsed = ssh2.utils.parseKey(key.data);
        if (
          parsed instanceof Error ||
          Array.isArray(parsed) ||
          !blob ||
          parsed.verify(blob, signature, hashAlgo) !== true
        )
          return refuse('its signature is wrong');
        admitted(device);
        context.accept();
      })
      .catch((error: unknown) => refuse(error instanceof Error ? error.message : String(error)));
  };
}
