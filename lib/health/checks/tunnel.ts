import { messageOf } from '../../errors/index.ts';
import { fail, pass, skipped } from '../findings.ts';
import type { Check } from '../types.ts';

export const tunnel: Check = {
  id: 'tunnel',
  title: 'Cloudflare tunnel',
  severity: 'warning',
  failuresNeeded: 3,
  passesNeeded: 1,
  looks: 1,
  remedy: 'systemctl restart cloudflared; journalctl -u cloudflared -n 50',
  runbook: 'tunnel-down',
  probe: async ({ config, systemd, signal }) => {
    const { tunnelHostname, metricsUrl } = config.services.cloudflare;
    const unit = await systemd.unit('cloudflared.service');
    if (!tunnelHostname && unit?.load !== 'loaded') return skipped('no tunnel', 'CLOUDFLARE_TUNNEL_HOSTNAME');
    if (unit?.load === 'loaded' && unit.active !== 'active')
      return fail(`cloudflared.service is ${unit.active} (${unit.sub})`);
    try {
      const response = await fetch(`${metricsUrl}/ready`, { signal });
      const { readyConnections = 0 } = (await response.json()) as { readyConnections?: number };
      return response.ok && readyConnections > 0
        ? pass(`${readyConnections} connections`)
        : fail(`cloudflared has ${readyConnections} connections (${response.status})`);
    } catch (error) {
      signal.throwIfAborted();
      const cause = (error as { cause?: unknown }).cause;
      return fail(`cloudflared does not answer at ${metricsUrl}/ready: ${messageOf(cause ?? error)}`);
    }
  },
};
