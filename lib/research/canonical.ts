/** What only tells a site who sent the reader. */
const TRACKING =
  /^(utm_\w+|gclid|dclid|fbclid|msclkid|yclid|mc_[ce]id|igshid|ref|ref_src|ref_url|cmpid|spm|at_\w+|_ga|_hs\w+|vero_id|oly_\w+|s_kwcid|srsltid)$/i;

/** One spelling for one page: two searches, or a link with a campaign in it, do not make it two. */
export function canonicalAddress(address: string): string {
  const url = new URL(address);
  url.hash = '';
  url.protocol = 'https:';
  url.hostname = url.hostname.replace(/^(www|m|amp)\./, '').replace(/\.$/, '');
  if (url.port === '80' || url.port === '443') url.port = '';
  for (const name of [...url.searchParams.keys()]) if (TRACKING.test(name)) url.searchParams.delete(name);
  url.searchParams.sort();
  url.pathname = url.pathname
    .replace(/\/{2,}/g, '/')
    .replace(/\/(index\.(html?|php)|amp)$/i, '/')
    .replace(/(.)\/$/, '$1');
  return url.href.replace(/\?$/, '');
}

export const hostOf = (address: string) => new URL(address).hostname;
