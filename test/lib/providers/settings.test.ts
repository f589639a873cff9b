import { mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import * as assert from 'uvu/assert';
import { type Config, loadConfig } from '../../../lib/config/index.ts';
import { isConfigured, modelsToAsk, settingsReader } from '../../../lib/providers/index.ts';
import { refusal } from '../../harness/refusal.ts';
import { suite } from '../../harness/suite.ts';
import { temporaryHome } from '../../harness/temporaryHome.ts';

const test = suite('providers: files');

let stamp = 1_700_000_000;
/** Each write has a time of its own, as an editor's has. */
function write(config: Config, name: string, text: string): void {
  const file = path.join(config.layout.config, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text);
  utimesSync(file, ++stamp, stamp);
}

function home(env: Record<string, string> = {}): Config {
  return loadConfig({ env: { OPENCLAW_HOME: temporaryHome().home, ...env } });
}

test('what is shipped is sound: every model of the order has a window and a price', () => {
  const settings = settingsReader(
    home({ MINIMAX_API_KEY: 'a-key-of-minimax', LOCAL_MODEL_BASE_URL: 'http://127.0.0.1:9/v1' }),
  ).read();
  assert.equal(settings.faults, []);
  assert.equal(
    modelsToAsk(settings).map(({ id }) => id),
    ['minimax/MiniMax-M2.7', 'local/llama3.2'],
    'only what has a key, or is a local server, is asked',
  );
  for (const provider of settings.providers.values()) {
    if (provider.kind !== 'chat') continue;
    for (const [model, facts] of Object.entries(provider.models)) assert.ok(facts.usd_per_million, model);
  }
});

test('with nothing configured the error names the keys, and a local address as the way without one', async () => {
  const settings = settingsReader(home()).read();
  const { code, message } = await refusal(Promise.resolve().then(() => modelsToAsk(settings)));
  assert.is(code, 'E_NO_MODEL');
  assert.match(message, /no model is configured/);
  assert.is([...settings.providers.values()].filter(isConfigured).length, 0);
});

test('an edit is in force at the next look; a bad one changes nothing, says what is wrong, and survives a restart', () => {
  const config = home({ XAI_API_KEY: 'a-key-of-xai-here' });
  const warnings: unknown[] = [];
  const reader = settingsReader(config, { warn: (fields: unknown) => void warnings.push(fields) } as never);
  const order = (text: string) => write(config, 'failover.json', text);
  const good = { order: ['xai/grok-4.3'], fail_over_on: ['server'], cooldown_minutes: [2], patience_ms: 5000 };
  order(JSON.stringify(good));
  assert.equal(reader.read().failover.cooldown_minutes, [2]);

  order(JSON.stringify({ ...good, cooldown_minutes: ['soon'] }));
  const bad = reader.read();
  assert.equal(bad.failover.cooldown_minutes, [2]);
  assert.match(bad.faults.join(), /failover\.json: cooldown_minutes\.0: .*number/);
  reader.read();
  assert.is(warnings.length, 1, 'a fault is said once');
  const restarted = settingsReader(config).read();
  assert.equal(restarted.failover.cooldown_minutes, [2], 'a restart beside the bad edit keeps the last good one');
  assert.is(restarted.faults.length, 1);

  order('{ "order": [');
  assert.equal(reader.read().failover.cooldown_minutes, [2]);
  order(JSON.stringify({ ...good, cooldown_minutes: [3], order: ['xai/grok-9'] }));
  const unknown = reader.read();
  assert.equal(unknown.failover.cooldown_minutes, [3]);
  assert.match(unknown.faults.join(), /order names "xai\/grok-9", which no file/);
  rmSync(path.join(config.layout.config, 'failover.json'));
  assert.equal(
    reader.read().failover.cooldown_minutes,
    [1, 5, 25, 60],
    "without a file of one's own the built-in one counts",
  );
});

test("a provider of one's own is one file; its address elsewhere never gets the key of the service that it copies", () => {
  const config = home({ OPENROUTER_API_KEY: 'a-key-of-openrouter' });
  const file = {
    title: 'Mine',
    kind: 'chat',
    service: 'openrouter',
    timeout_ms: 1000,
    models: { tiny: { context_tokens: 4096, max_output_tokens: 512 } },
  };
  write(config, 'providers/mine.json', JSON.stringify({ ...file, base_url: 'http://192.0.2.7:8080/v1' }));
  write(config, 'providers/proxy.json', JSON.stringify({ ...file, base_url: 'https://openrouter.ai/api/v2' }));
  write(config, 'providers/broken.json', JSON.stringify({ ...file, models: {} }));
  write(config, 'providers/local.json', JSON.stringify({ ...file, service: 'local', enabled: false }));
  const { providers, faults } = settingsReader(config).read();
  assert.is(providers.get('mine')?.apiKey, undefined);
  assert.is(providers.get('proxy')?.apiKey, 'a-key-of-openrouter');
  assert.is(providers.has('broken'), false);
  assert.match(faults.join(), /broken\.json: models: expected at least one model/);
  assert.is(isConfigured(providers.get('local')!), false);
});

test.run();
