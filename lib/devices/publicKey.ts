import { createHash } from 'node:crypto';
import ssh2 from 'ssh2';
import { EXIT, OpenClawError } from '../errors/index.ts';

/** Kinds of keys that are strong enough: no DSA, and RSA from 2048 bits. */
const KINDS = /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521))$/;
/** An RSA key of 2048 bits has 279 bytes in this form. */
const LEAST_RSA_BYTES = 279;

/** As `ssh-keygen -lf` shows it. */
export function fingerprintOf(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

/** The one public key of a text in OpenSSH's form. @throws E_KEY for anything else, and for a private key. */
export function parsePublicKey(content: string, from: string): { text: string; fingerprint: string } {
  const refuse = (message: string, remedy?: string): never => {
    throw new OpenClawError('E_KEY', `${from}: ${message}`, {
      expected: 'one public key in the form of OpenSSH: ssh-ed25519 AAAA... comment',
      ...(remedy && { remedy }),
      exitCode: EXIT.usage,
    });
  };
  if (/PRIVATE KEY/.test(content)) refuse('this is a private key', 'give the file beside it that ends in .pub');
  const lines = content.split(/\r?\n/).filter((line) => /\S/.test(line) && !line.startsWith('#'));
  if (lines.length !== 1) refuse(`it has ${lines.length} keys`);
  const [kind = '', encoded = ''] = lines[0]!.trim().split(/\s+/);
  const parsed = ssh2.utils.parseKey(`${kind} ${encoded}`);
  if (parsed instanceof Error || Array.isArray(parsed)) return refuse('this is no public key');
  if (!KINDS.test(parsed.type)) refuse(`keys of kind ${parsed.type} are not taken`, 'ssh-keygen -t ed25519');
  const blob = parsed.getPublicSSH();
  if (parsed.type === 'ssh-rsa' && blob.length < LEAST_RSA_BYTES)
    refuse('an RSA key needs 2048 bits', 'ssh-keygen -t ed25519');
  return { text: `${kind} ${encoded}`, fingerprint: fingerprintOf(blob) };
}
