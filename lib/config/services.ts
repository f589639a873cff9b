import type { Values } from './schema.ts';

/** What each service outside is reached by. A service whose key is undefined is skipped, which is no fault. */
export function servicesOf(values: Values) {
  return {
    telegram: {
      baseUrl: values.TELEGRAM_BASE_URL,
      token: values.TELEGRAM_BOT_TOKEN,
      allowedUserIds: values.TELEGRAM_ALLOWED_USER_IDS ?? [],
      webhookUrl: values.TELEGRAM_WEBHOOK_URL,
      webhookSecret: values.TELEGRAM_WEBHOOK_SECRET,
    },
    minimax: { baseUrl: values.MINIMAX_BASE_URL, apiKey: values.MINIMAX_API_KEY },
    openrouter: { baseUrl: values.OPENROUTER_BASE_URL, apiKey: values.OPENROUTER_API_KEY },
    xai: { baseUrl: values.XAI_BASE_URL, apiKey: values.XAI_API_KEY },
    local: { baseUrl: values.LOCAL_MODEL_BASE_URL, apiKey: values.LOCAL_MODEL_API_KEY },
    brave: { baseUrl: values.BRAVE_BASE_URL, apiKey: values.BRAVE_API_KEY },
    perplexity: { baseUrl: values.PERPLEXITY_BASE_URL, apiKey: values.PERPLEXITY_API_KEY },
    github: {
      baseUrl: values.GITHUB_BASE_URL,
      sshKeyPath: values.GITHUB_SSH_KEY_PATH,
      repository: values.GITHUB_REPOSITORY,
      knownHostsPath: values.GITHUB_KNOWN_HOSTS_PATH,
    },
    drive: {
      baseUrl: values.GOOGLE_DRIVE_BASE_URL,
      tokenUrl: values.GOOGLE_DRIVE_TOKEN_URL,
      deviceUrl: values.GOOGLE_DRIVE_DEVICE_URL,
      clientId: values.GOOGLE_DRIVE_CLIENT_ID,
      clientSecret: values.GOOGLE_DRIVE_CLIENT_SECRET,
      refreshToken: values.GOOGLE_DRIVE_REFRESH_TOKEN,
      folderId: values.GOOGLE_DRIVE_FOLDER_ID,
    },
    cloudflare: {
      baseUrl: values.CLOUDFLARE_BASE_URL,
      apiToken: values.CLOUDFLARE_API_TOKEN,
      tunnelHostname: values.CLOUDFLARE_TUNNEL_HOSTNAME,
      metricsUrl: values.CLOUDFLARED_METRICS_URL,
    },
    gmail: {
      baseUrl: values.GMAIL_BASE_URL,
      address: values.GMAIL_ADDRESS,
      appPassword: values.GMAIL_APP_PASSWORD,
    },
    healthcheck: { pingUrl: values.HEALTHCHECK_PING_URL },
  } as const;
}

export type Services = ReturnType<typeof servicesOf>;
