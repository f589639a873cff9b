import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Update } from 'grammy/types';
import type { Pool } from '../db/index.ts';
import { EXIT, OpenClawError } from '../errors/index.ts';
import type { Logger } from '../log/index.ts';
import { noteState, receive } from './receive.ts';

export const WEBHOOK_PATH = '/telegram';
const BODY_LIMIT = 1 << 20;
const BODY_LIMIT_MS = 10_000;

export interface WebhookOptions {
  secret: string | undefined;
  port: number;
  db: Pool;
  botId: number;
  username: string | undefined;
  log: Logger;
  onReceived: () => void;
}

/**
 * Takes updates on the loopback address only; a tunnel brings them there. Without a secret it does not start: anybody
 * could speak as Telegram. @throws E_WEBHOOK_SECRET (78), E_WEBHOOK_PORT (75).
 */
export async function serveWebhook(options: WebhookOptions): Promise<{ port: number; stop(): Promise<void> }> {
  const { secret, log } = options;
  if (!secret) {
    throw new OpenClawError(
      'E_WEBHOOK_SECRET',
      'TELEGRAM_WEBHOOK_SECRET is not set, and a webhook without a secret is open to anybody',
      {
        remedy: 'set it to 32 or more random characters (openssl rand -hex 32), or unset TELEGRAM_WEBHOOK_URL',
        exitCode: EXIT.config,
      },
    );
  }
  const server = createServer((request, response) => {
    answer(request, response, options, secret).catch((error: unknown) => {
      log.warn({ err: error }, 'an update could not be committed; Telegram sends it again');
      end(response, 500);
    });
  });
  server.requestTimeout = BODY_LIMIT_MS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new OpenClawError('E_WEBHOOK_PORT', `port ${options.port} of 127.0.0.1 cannot be taken: ${error.code}`, {
          remedy: 'stop what listens there, or set OPENCLAW_WEBHOOK_PORT',
          cause: error,
          exitCode: EXIT.tempfail,
        }),
      ),
    );
    server.listen(options.port, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: WebhookOptions,
  secret: string,
): Promise<void> {
  if (request.url !== WEBHOOK_PATH) return end(response, 404);
  if (request.method !== 'POST') return end(response, 405);
  // Before anything of the body is read.
  if (!sameText(String(request.headers['x-telegram-bot-api-secret-token'] ?? ''), secret)) return end(response, 401);
  const body = await readBody(request);
  if (body === undefined) return end(response, 413);
  let update: Update;
  try {
    update = JSON.parse(body) as Update;
  } catch {
    // Not JSON: nothing of it is worth more than the answer.
    return end(response, 400);
  }
  if (typeof update !== 'object' || update === null || !Number.isSafeInteger(update.update_id))
    return end(response, 400);
  const fresh = await receive(options.db, options.botId, [update]);
  await noteState(options.db, options.botId, {
    mode: 'webhook',
    username: options.username,
    polled: true,
    received: true,
  });
  if (fresh > 0) options.onReceived();
  end(response, 200);
}

function sameText(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Undefined when it is too large; the rest of it is then not read. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  if (Number(request.headers['content-length'] ?? 0) > BODY_LIMIT) return undefined;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > BODY_LIMIT) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function end(response: ServerResponse, status: number): void {
  if (response.headersSent) return;
  // What is left of a refused body is not read.
  if (status !== 200) response.setHeader('connection', 'close');
  response.writeHead(status).end();
}
