// `npm run chaos`: jobs and missions under SIGKILLs; `npm run chaos -- telegram`: messages under SIGKILLs.
if (process.argv[2] === 'telegram') {
  process.argv.splice(2, 1);
  await import('./telegram.ts');
} else await import('./jobs.ts');
