import { fail, pass, unknown } from '../findings.ts';
import type { Check } from '../types.ts';

export const openclaw: Check = {
  id: 'openclaw',
  title: 'openclaw.service',
  severity: 'critical',
  failuresNeeded: 2,
  passesNeeded: 2,
  looks: 2,
  remedy: 'systemctl restart openclaw (with units), or openclaw up --detach',
  runbook: 'service-down',
  probe: async ({ systemd, upPid }) => {
    const unit = await systemd.unit('openclaw.service');
    if (unit?.load === 'loaded') {
      if (unit.active === 'active') return pass(`active, ${unit.restarts} restarts`);
      if (unit.active === 'activating' || unit.active === 'reloading') return unknown(`${unit.active} (${unit.sub})`);
      return fail(`openclaw.service is ${unit.active} (${unit.sub})`);
    }
    return upPid === undefined ? fail('no `openclaw up` runs for this home') : pass(`up, pid ${upPid}`);
  },
};
