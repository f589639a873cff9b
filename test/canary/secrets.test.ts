import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { ACTIONS } from '../../lib/actions/index.ts';
import { findArchive, runBackup } from '../../lib/backup/index.ts';
import { loadConfig } from '../../lib/config/index.ts';
import { KEY_NAMES, type KeyName, notesOf } from '../../lib/config/schema.ts';
import { libpqConnection } from '../../lib/db/index.ts';
import { commitWorkspace } from '../../lib/git/index.ts';
import { createLogger } from '../../lib/log/index.ts';
import { spellingsOf } from '../../lib/log/secretSpellings.ts';
import { setCredential } from '../../lib/secrets/index.ts';
import { openApi, startSender } from '../../lib/telegram/index.ts';
import { startWorkers } from '../../lib/workers/process.ts';
import { localSources } from '../../tui/feed/locals.ts';
import { PAGES } from '../../tui/pages/index.ts';
import { once } from '../../tui/session/once.ts';
import { fakeDrive } from '../fakes/drive.ts';
import { fakeServer } from '../fakes/fakeServer.ts';
import { fakeTelegram } from '../fakes/telegram.ts';
import { freshDatabase } from '../harness/database.ts';
import { suite } from '../harness/suite.ts';
import { temporaryHome } from '../harness/temporaryHome.ts';
import { eventually } from '../harness/workers.ts';

// Every secret key of the configuration has a value of its own here; services fail in every way that quotes what they were
// asked; then whatever this system has written is searched for each value, in each spelling.

const test = suite('no secret leaves', { timeoutMs: 150_000 });

/** Fits what each key demands, and is found nowhere by chance. */
function canaries(): Map<KeyName, string> {
  const shaped: Partial<Record<KeyName, string>> = {
    TELEGRAM_BOT_TOKEN: '123456789:CanaryTelegramTokenAAAAAAAAAAAAAAAA',
    TELEGRAM_WEBHOOK_SECRET: 'canary_webhook_secret_0123456789abcdef',
    HEALTHCHECK_PING_URL: 'https://ping.example/canary-ping-0123456789abcdef',
    GMAIL_APP_PASSWORD: 'canary gmail pass word',
    OPENCLAW_MASTER_KEY: 'canary-master-key-0123456789',
  };
  const servers = new Set<KeyName>(['DATABASE_URL', 'DATABASE_ADMIN_URL', 'REDIS_URL']);
  const keys = KEY_NAMES.filter((key) => notesOf(key).secret && !servers.has(key));
  return new Map(keys.map((key, index) => [key, shaped[key] ?? `canary+${index}/${key.toLowerCase()}"x`]));
}

test('after a run with failures in it, no canary is in logs, rows, archives, git objects or what was sent', async () => {
  const database = await freshDatabase();
  const drive = await fakeDrive();
  const quoting = await quotingServer();
  const { home, layout } = temporaryHome();
  const values = canaries();
  const { OPENCLAW_MASTER_KEY: master, ...rest } = Object.fromEntries(values) as Record<string, string>;
  const token = rest.TELEGRAM_BOT_TOKEN!;
  const telegram = await fakeTelegram({ token });
  const refusedBy = (code: number) => ({
    status: code,
    body: { ok: false, error_code: code, description: `no: /bot${token}/ ${encodeURIComponent(token)}` },
  });
  mkdirSync(layout.config, { recursive: true });
  mkdirSync(path.join(layout.config, 'providers'));
  mkdirSync(layout.workspace, { recursive: true });
  // Half are in the encrypted store, half in .env; one is pasted into a file where it does not belong.
  const names = Object.keys(rest);
  for (const name of names.slice(0, names.length / 2))
    setCredential(layout, name, rest[name]!, { OPENCLAW_MASTER_KEY: master });
  const lines = names.slice(names.length / 2).map((name) => `${name}='${rest[name]}'`);
  writeFileSync(
    layout.envFile,
    `${lines.join('\n')}\nGOOGLE_DRIVE_CLIENT_ID=client-id-1\nGMAIL_ADDRESS=a@example.org\n`,
    { mode: 0o600 },
  );
  writeFileSync(path.join(layout.config, 'providers', 'pasted.yaml'), `key: ${rest.XAI_API_KEY}\n`);
  const env = {
    PATH: process.env.PATH ?? '',
    OPENCLAW_HOME: home,
    OPENCLAW_MASTER_KEY: master,
    DATABASE_URL: database.urlFor('openclaw_worker'),
    DATABASE_ADMIN_URL: database.urlFor('openclaw_backup'),
    OPENCLAW_TASK_DIRS: layout.tasks,
    GOOGLE_DRIVE_BASE_URL: drive.url,
    GOOGLE_DRIVE_TOKEN_URL: `${drive.url}/token`,
    TELEGRAM_BASE_URL: telegram.url,
    TELEGRAM_ALLOWED_USER_IDS: '42',
    ...Object.fromEntries(
      ['MINIMAX', 'OPENROUTER', 'XAI', 'BRAVE', 'PERPLEXITY'].map((name) => [`${name}_BASE_URL`, quoting.url]),
    ),
    OPENCLAW_LOG_LEVEL: 'debug',
  };
  mkdirSync(layout.tasks, { recursive: true });
  // A task that spills: into its error, its result, its log and its progress.
  writeFileSync(
    path.join(layout.tasks, 'spill.ts'),
    `import { defineTask, z } from 'openclaw';
     export default defineTask({ title: 'spill', payload: z.object({ key: z.string(), fail: z.boolean() }), effect: 'read', retries: 0 }, async ({ key, fail }, { config, log, progress }) => {
       const secret = config.secrets.find((each) => each.name === key).value;
       log.error({ headers: { authorization: secret }, deep: { er: [secret] } }, 'said ' + secret);
       progress(0.5, 'with ' + secret);
       if (fail) throw new Error('refused: https://x.example/?q=' + encodeURIComponent(secret) + ' ' + JSON.stringify({ secret }));
       return { answer: secret, inside: Buffer.from('user:' + secret).toString('base64') };
     });`,
  );
  const config = loadConfig({ env });
  const log = createLogger({ name: 'worker', level: 'debug', destination: path.join(layout.logs, 'openclaw.log') });
  const signal = new AbortController().signal;
  const workers = await startWorkers({
    config,
    log,
    workerUrl: env.DATABASE_URL,
    readerUrl: database.urlFor('openclaw_tui'),
    pools: ['missions', 'upkeep'],
    withCron: false,
    onFatal: (error) => assert.unreachable(error.message),
  });
  const jobs: string[] = [];
  for (const { name } of config.secrets) {
    for (const fail of [false, true]) {
      const { rows } = await database.pool.query<{ id: string }>('select add_job($1, $2::jsonb) as id', [
        'spill',
        JSON.stringify({ key: name, fail }),
      ]);
      jobs.push(rows[0]!.id);
    }
  }
  // Every service refuses, and quotes the whole request in its error.
  telegram.script('getMe', refusedBy(401), refusedBy(401));
  for (const [task, payload] of [
    ...['minimax', 'openrouter', 'xai'].map((model) => ['llm', { prompt: 'anything', model }] as const),
    ...['brave', 'perplexity'].map((venue) => ['web_search', { query: `by ${venue}`, venue }] as const),
    ['health_check', {}] as const,
  ]) {
    const { rows } = await database.pool.query<{ id: string }>(
      'select add_job($1, $2::jsonb, max_attempts => 1) as id',
      [task, JSON.stringify(payload)],
    );
    jobs.push(rows[0]!.id);
  }
  await eventually(
    async () => {
      const { rows } = await database.pool.query('select from job_history where job_id = any ($1)', [jobs]);
      return rows.length === jobs.length;
    },
    'every spilling job ended',
    90_000,
  );
  await workers.stop('done');
  const asked = quoting.requests.map(({ headers }) => headers.authorization ?? headers['x-subscription-token']);
  assert.is(new Set(asked).size, 5, 'each service was asked with its own key');

  // What failed is told: first Telegram refuses as well, then it takes it.
  telegram.script('sendMessage', refusedBy(500));
  await database.pool.query('select sync_allowed_users($1)', [[42]]);
  await database.pool.query(
    "select queue_message('owner', last_error) from job_history where last_error is not null order by job_id limit 12",
  );
  const sender = startSender({ api: openApi(config)!, db: database.pool, log, chatBurst: 50 });
  await eventually(async () => telegram.sent.length >= 5, 'errors of jobs are sent', 30_000);
  await sender.stop(5000);

  drive.faults.statuses.push({ status: 403, reason: 'storageQuotaExceeded' });
  await runBackup({ config, db: database.pool, log, signal });
  drive.faults.invalidGrant = true;
  const run = await runBackup({ config, db: database.pool, log, signal });
  assert.is(run.offsite, 'failed');
  drive.faults.invalidGrant = false;
  const last = await runBackup({ config, db: database.pool, log, signal });
  assert.equal([last.archive, last.offsite], ['verified', 'uploaded']);
  writeFileSync(path.join(layout.workspace, 'leak.md'), `# x\n${rest.BRAVE_API_KEY}\n`);
  const refused = await commitWorkspace({ config, db: database.pool, log, signal }).then(
    () => '',
    (error: Error & { faults?: string[] }) => `${error.message} ${error.faults?.join(' ')}`,
  );
  assert.match(refused, /leak\.md:2/);
  writeFileSync(path.join(layout.workspace, 'leak.md'), '# clean\n');
  await commitWorkspace({ config, db: database.pool, log, signal });
  const shown = await shownByActions(config, database);
  // What a lost server would be rebuilt from, unpacked by other tools than ours.
  const places: [string, string][] = [
    ['what verbs show', shown],
    ['what the commit said', refused],
  ];
  for (const name of readdirSync(layout.logs))
    places.push([name, readFileSync(path.join(layout.logs, name), 'latin1')]);
  const { target, env: password } = libpqConnection(database.urlFor('openclaw_backup'));
  const dumped = spawnSync(path.join(database.server.binDir!, 'pg_dump'), ['--inserts', `--dbname=${target}`], {
    encoding: 'latin1',
    env: { ...process.env, ...database.server.env, ...password },
    maxBuffer: 1 << 28,
  });
  assert.is(dumped.status, 0, dumped.stderr);
  places.push(['the database', dumped.stdout]);
  const { file } = findArchive(config, last.name);
  const unpacked = spawnSync('tar', ['xzOf', file], { encoding: 'latin1', maxBuffer: 1 << 28 });
  places.push(
    ['the archive', unpacked.stdout],
    [
      'its dump',
      spawnSync(path.join(database.server.binDir!, 'pg_restore'), ['-f', '-'], {
        input: spawnSync('tar', ['xzOf', file, 'database.dump'], { maxBuffer: 1 << 28 }).stdout,
        encoding: 'latin1',
        maxBuffer: 1 << 28,
      }).stdout,
    ],
  );
  const objects = spawnSync('git', ['-C', layout.repo, 'cat-file', '--batch-all-objects', '--batch'], {
    encoding: 'latin1',
  });
  places.push(
    ['git objects', objects.stdout],
    ['the credentials store', readFileSync(path.join(layout.credentials, 'store.json'), 'utf8')],
  );
  places.push(['what Telegram was sent', JSON.stringify(telegram.sent)]);
  const reader = () => database.urlFor('openclaw_tui');
  for (const { name } of PAGES) {
    const options = { reader, locals: localSources(config), columns: 200, rows: 60, json: false, ascii: false };
    const page = name === 'job' ? `job ${jobs[1]}` : name;
    const shot = await once({ ...options, page, name: 'canary' }).catch((error: { code?: string }) => {
      // A page of one mission, of which there is none here.
      if (name === 'mission') return 'no mission';
      throw error;
    });
    places.push([`page ${page}`, shot]);
  }
  for (const { appProperties, name } of drive.files.values())
    places.push(['what Drive was told', JSON.stringify({ appProperties, name })]);

  for (const [where, text] of places) assert.ok(text.length > 0, `${where} is empty: the search would prove nothing`);
  const found: string[] = [];
  for (const [key, value] of values) {
    for (const spelling of spellingsOf(value))
      for (const [where, text] of places) if (text.includes(spelling)) found.push(`${key} in ${where}`);
  }
  assert.equal([...new Set(found)], []);
  // The search finds what is there: each name, and a value that is no secret.
  assert.match(dumped.stdout, /spill/);
  assert.match(unpacked.stdout, /GMAIL_ADDRESS/);
  assert.ok(statSync(path.join(layout.logs, 'openclaw.log')).size > 1000);
  await Promise.all([drive.close(), telegram.kill(), quoting.kill()]);
  await database.drop();
});

/** Refuses everything with an error that quotes the request: its path, its headers and its body. */
const quotingServer = () =>
  fakeServer(({ path: asked, query, headers, body }) => {
    const message = `refused: ${asked}?${query} ${JSON.stringify(headers)} ${body}`;
    return { status: 401, body: { error: { message, code: 401, type: 'auth' }, message, detail: message } };
  });

/** What a person sees of it all. */
async function shownByActions(
  config: ReturnType<typeof loadConfig>,
  database: Awaited<ReturnType<typeof freshDatabase>>,
): Promise<string> {
  const context = {
    db: database.pool,
    config,
    log: createLogger({ name: 'cli', level: 'silent' }),
    say: () => undefined,
    signal: new AbortController().signal,
  };
  let shown = '';
  for (const name of ['jobs list', 'events list', 'audit list', 'backup list', 'credentials list', 'logs']) {
    const action = ACTIONS.find((each) => each.name === name)!;
    const options = Object.fromEntries(
      (action.options ?? [])
        .filter((option) => option.default !== undefined)
        .map((option) => [/--(\w+)/.exec(option.flags)![1]!, option.default]),
    );
    const result = await action.run(context, { args: [], options });
    shown += `${result.text}\n${JSON.stringify(result.json)}\n`;
  }
  return shown;
}

test.run();
