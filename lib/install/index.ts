export { type Host, openHost } from './host.ts';
export { install } from './install.ts';
export { uninstall } from './uninstall.ts';
export { upgrade } from './upgrade.ts';
