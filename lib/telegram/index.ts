export { openApi, type TelegramApi, troubleOf, UPDATES } from './client.ts';
export { bold, code, escapeHtml, LENGTH_LIMIT, plainOf, pre, splitMessage } from './html.ts';
export { inHalves, pairingCode } from './pairingCode.ts';
export { pollUpdates } from './poll.ts';
export { factsOf, noteState, receive, sourceOf } from './receive.ts';
export { startSender } from './sender.ts';
export { serveWebhook, WEBHOOK_PATH } from './webhook.ts';
