import { connect } from 'node:net';
import { fail, pass, skipped, unknown } from '../findings.ts';
import type { Check } from '../types.ts';

export const dashboard: Check = {
  id: 'dashboard',
  title: 'openclaw-dashboard.service',
  severity: 'warning',
  failuresNeeded: 2,
  passesNeeded: 2,
  looks: 2,
  remedy: 'systemctl restart openclaw-dashboard; it stops with openclaw.service, so look at that first',
  runbook: 'service-down',
  probe: async ({ config, systemd, upPid, signal }) => {
    const { port } = config.dashboard;
    const unit = await systemd.unit('openclaw-dashboard.service');
    const installed = unit?.load === 'loaded';
    if (port === 0 && !installed) return skipped('no dashboard is wanted (port 0)', 'OPENCLAW_DASHBOARD_PORT');
    if (installed && unit.active === 'activating') return unknown(`starting (${unit.sub})`);
    if (installed && unit.active !== 'active')
      return fail(`openclaw-dashboard.service is ${unit.active} (${unit.sub})`);
    const banner = await sshBanner(port, signal);
    if (banner.startsWith('SSH-2.0-')) return pass(`port ${port} answers as ${banner}`);
    // `openclaw up` runs one as well.
    return installed || upPid !== undefined
      ? fail(`port ${port}: ${banner || 'connected, but no SSH banner'}`)
      : skipped('no dashboard runs as a service; the screen is `openclaw dash`', 'openclaw install');
  },
};

/** The first line that the port says, or why it says none. */
function sshBanner(port: number, signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, signal });
    const end = (text: string) => {
      socket.destroy();
      resolve(text);
    };
    socket.setTimeout(2000, () => end('no banner within 2 s'));
    socket.once('data', (chunk) => end(chunk.toString('latin1').split('\r\n')[0]!.slice(0, 100)));
    socket.once('error', (error) => end(error.message));
    socket.once('close', () => resolve(''));
  });
}
