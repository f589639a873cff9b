// `npm run chaos`: jobs and missions under SIGKILLs; `-- telegram`: messages under SIGKILLs; `-- outages`: each outage by itself.
const [what] = process.argv.slice(2);
if (what === 'telegram' || what === 'outages') {
  process.argv.splice(2, 1);
  await import(what === 'telegram' ? './telegram.ts' : './outages/run.ts');
} else await import('./jobs.ts');
