import assert from 'node:assert/strict';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { OpenClawError } from '../../../lib/errors/index.ts';
import { type FetchOptions, guardedFetch, isPermanentFetchError } from '../../../lib/fetch/index.ts';
import { suite } from '../../harness/suite.ts';

const test = suite('guardedFetch');

interface Local {
  host: string;
  url: string;
  /** Connections so far. */
  readonly count: number;
}

/** A server for the length of `use`; its open connections are cut at the end. */
async function withServer(server: Server, use: (local: Local) => Promise<void>) {
  const sockets = new Set<Socket>();
  let count = 0;
  server.on('connection', (socket: Socket) => {
    count++;
    sockets.add(socket);
    socket.on('error', () => {}); // the client cuts connections on purpose
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    await use({
      host,
      url: `http://${host}`,
      get count() {
        return count;
      },
    });
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

const withHttp = (listener: RequestListener, use: (local: Local) => Promise<void>) =>
  withServer(createServer(listener), use);
const withTcp = (listener: (socket: Socket) => void, use: (local: Local) => Promise<void>) =>
  withServer(createTcpServer(listener), use);

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof OpenClawError) return error.code;
    throw error;
  }
  return 'none';
}

const codeFor = (url: string, options?: FetchOptions) => codeOf(guardedFetch(url, options));

for (const host of [
  '127.0.0.1',
  'localhost',
  '127.1',
  '0x7f000001',
  '0x7f.0.0.1',
  '0177.0.0.1',
  '2130706433',
  '１２７.0.0.1',
  '127.0.0.1.',
  '0',
  '0.0.0.0',
  '[::1]',
  '[::]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[64:ff9b::7f00:1]',
]) {
  test(`does not reach a listening loopback server as ${host}`, async () => {
    await withHttp(
      (_request, response) => response.end('secret'),
      async (local) => {
        const port = local.host.split(':')[1];
        assert.equal(await codeFor(`http://${host}:${port}/`), 'E_FETCH_BLOCKED');
        assert.equal(local.count, 0);
      },
    );
  });
}

for (const host of ['169.254.169.254', '10.0.0.1', '192.168.1.1', '[fd00:ec2::254]', '[fe80::1]', '100.100.100.200']) {
  test(`refuses ${host} without a connection`, async () => {
    assert.equal(await codeFor(`http://${host}/latest/meta-data/`), 'E_FETCH_BLOCKED');
  });
}

for (const url of [
  'file:///etc/passwd',
  'ftp://example.com/',
  'gopher://127.0.0.1:6379/_FLUSHALL',
  'data:text/plain,x',
  'http://user:pw@example.com/',
  'http://user@example.com/',
  'http://example.com:0/',
  'http://',
  'not a url',
  '',
]) {
  test(`refuses the address '${url}'`, async () => {
    assert.equal(await codeFor(url), 'E_FETCH_URL');
  });
}

test('names no password and no query of a refused address', async () => {
  const error = await guardedFetch('http://user:hunter22@example.com/a?key=abcdef').catch((caught) => caught);
  assert.ok(!error.format().includes('hunter22') && !error.format().includes('abcdef'), error.format());
});

test('refuses a name that resolves to an address inside', async () => {
  const lookup = async () => [{ address: '127.0.0.1', family: 4 }];
  assert.equal(await codeFor('http://rebind.test/', { lookup }), 'E_FETCH_BLOCKED');
});

test('guards https as it guards http', async () => {
  const lookup = async () => [{ address: '127.0.0.1', family: 4 }];
  assert.equal(await codeFor('https://rebind.test/', { lookup }), 'E_FETCH_BLOCKED');
  assert.equal(await codeFor('https://[::ffff:127.0.0.1]/'), 'E_FETCH_BLOCKED');
  await withHttp(
    (_request, response) => response.end('no TLS here'),
    async ({ host }) => assert.equal(await codeFor(`https://${host}/`, { allow: [host] }), 'E_FETCH_UNREACHABLE'),
  );
});

test('refuses a name with one address outside and one inside', async () => {
  const lookup = async () => [
    { address: '93.184.215.14', family: 4 },
    { address: '::1', family: 6 },
  ];
  assert.equal(await codeFor('http://rebind.test/', { lookup }), 'E_FETCH_BLOCKED');
});

test('looks a name up once per connection: what was judged is what is connected to', async () => {
  const controller = new AbortController();
  const reason = new Error('seen enough');
  let lookups = 0;
  // The first answer passes; a second lookup, for the connection itself, would be loopback.
  const lookup = async () => {
    setTimeout(() => controller.abort(reason), 50);
    return [{ address: lookups++ === 0 ? '93.184.215.14' : '127.0.0.1', family: 4 }];
  };
  // Whether anybody answers at that address depends on the network of the test.
  await guardedFetch('http://rebind.test:9/', { lookup, signal: controller.signal, timeoutMs: 1000 }).catch((error) => {
    assert.ok(error === reason || error.code === 'E_FETCH_UNREACHABLE', error);
  });
  assert.equal(lookups, 1);
});

test('judges a name again at each redirect', async () => {
  await withHttp(
    (_request, response) => response.writeHead(302, { location: 'http://rebind.test:1/' }).end(),
    async ({ host, url }) => {
      const lookup = async () => [{ address: '10.1.2.3', family: 4 }];
      assert.equal(await codeFor(url, { lookup, allow: [host] }), 'E_FETCH_BLOCKED');
    },
  );
});

for (const location of ['http://169.254.169.254/', 'http://[::1]/', 'http://127.0.0.1:1/']) {
  test(`refuses a redirect to ${location}`, async () => {
    await withHttp(
      (_request, response) => response.writeHead(301, { location }).end(),
      async ({ host, url }) => assert.equal(await codeFor(url, { allow: [host] }), 'E_FETCH_BLOCKED'),
    );
  });
}

test('refuses a redirect to another scheme', async () => {
  await withHttp(
    (_request, response) => response.writeHead(301, { location: 'file:///etc/passwd' }).end(),
    async ({ host, url }) => assert.equal(await codeFor(url, { allow: [host] }), 'E_FETCH_URL'),
  );
});

test('allows exactly the host and port that are listed', async () => {
  await withHttp(
    (_request, response) => response.setHeader('content-type', 'Text/HTML; charset=utf-8').end('hello'),
    async ({ host, url }) => {
      const answer = await guardedFetch(`${url}/a#b`, { allow: [host] });
      assert.equal(answer.body.toString(), 'hello');
      assert.equal(answer.url, `${url}/a`);
      assert.equal(answer.contentType, 'text/html');
      assert.equal(answer.status, 200);
      assert.equal(answer.truncated, false);
      assert.equal(
        await codeFor(url, { allow: ['127.0.0.1:1', `localhost:${host.split(':')[1]}`] }),
        'E_FETCH_BLOCKED',
      );
      assert.equal(
        (
          await guardedFetch(url.replace('127.0.0.1', 'local.test'), {
            allow: [host.replace('127.0.0.1', 'local.test')],
            lookup: async () => [{ address: '127.0.0.1', family: 4 }],
          })
        ).body.toString(),
        'hello',
      );
    },
  );
});

test('follows relative redirects, and no more than it may', async () => {
  await withHttp(
    (request, response) => {
      const left = Number(request.url!.slice(1));
      if (left === 0) response.end('there');
      else response.writeHead(307, { location: `./${left - 1}` }).end('moved');
    },
    async ({ host, url }) => {
      const answer = await guardedFetch(`${url}/5`, { allow: [host] });
      assert.equal(answer.body.toString(), 'there');
      assert.equal(answer.url, `${url}/0`);
      assert.equal(await codeFor(`${url}/6`, { allow: [host] }), 'E_FETCH_TOO_MANY_REDIRECTS');
    },
  );
});

test('a status of 400 and above, and a redirect without a target, are answers', async () => {
  await withHttp(
    (request, response) => response.writeHead(request.url === '/r' ? 302 : 503).end('busy'),
    async ({ host, url }) => {
      assert.equal((await guardedFetch(url, { allow: [host] })).status, 503);
      assert.equal((await guardedFetch(`${url}/r`, { allow: [host] })).status, 302);
    },
  );
});

const ENCODERS = { gzip: gzipSync, br: brotliCompressSync, deflate: deflateSync } as const;
for (const [encoding, encode] of [...Object.entries(ENCODERS), ['deflate', deflateRawSync]] as const) {
  test(`decodes ${encoding} (${encode.name})`, async () => {
    await withHttp(
      (_request, response) => response.setHeader('content-encoding', encoding).end(encode('ä text '.repeat(5000))),
      async ({ host, url }) => {
        const answer = await guardedFetch(url, { allow: [host] });
        assert.equal(answer.body.toString(), 'ä text '.repeat(5000));
        assert.equal(answer.truncated, false);
      },
    );
  });

  test(`cuts a bomb in ${encoding} (${encode.name}) at the decoded size`, async () => {
    const bomb = encode(Buffer.alloc(50_000_000));
    await withHttp(
      (_request, response) => response.setHeader('content-encoding', encoding).end(bomb),
      async ({ host, url }) => {
        const before = process.memoryUsage().arrayBuffers;
        const answer = await guardedFetch(url, { allow: [host], maxBytes: 100_000 });
        assert.equal(answer.body.length, 100_000);
        assert.equal(answer.truncated, true);
        assert.ok(process.memoryUsage().arrayBuffers - before < 10_000_000);
      },
    );
  });
}

test('cuts an endless body at the limit', async () => {
  await withHttp(
    (_request, response) => {
      const more = () => {
        while (response.write(Buffer.alloc(65_536))) if (response.destroyed) return;
      };
      response.on('drain', more);
      more();
    },
    async ({ host, url }) => {
      const answer = await guardedFetch(url, { allow: [host] });
      assert.equal(answer.body.length, 1_000_000);
      assert.equal(answer.truncated, true);
    },
  );
});

test('a body of exactly the limit is whole; an empty one with an encoding is empty', async () => {
  await withHttp(
    (request, response) => {
      if (request.url === '/empty') response.writeHead(200, { 'content-encoding': 'gzip' }).end();
      else response.end('12345');
    },
    async ({ host, url }) => {
      const answer = await guardedFetch(url, { allow: [host], maxBytes: 5 });
      assert.deepEqual([answer.body.toString(), answer.truncated], ['12345', false]);
      assert.equal((await guardedFetch(`${url}/empty`, { allow: [host] })).body.length, 0);
    },
  );
});

for (const [what, headers, body] of [
  ['what is no gzip', { 'content-encoding': 'gzip' }, 'plain'],
  ['a gzip that breaks off', { 'content-encoding': 'gzip' }, gzipSync('x'.repeat(1000)).subarray(0, 20)],
  ['an encoding that was not asked for', { 'content-encoding': 'zstd' }, 'x'],
  ['encodings in one another', { 'content-encoding': 'gzip, gzip' }, gzipSync(gzipSync('x'))],
] as const) {
  test(`${what} is a transient fault`, async () => {
    await withHttp(
      (_request, response) => response.writeHead(200, headers).end(body),
      async ({ host, url }) => assert.equal(await codeFor(url, { allow: [host] }), 'E_FETCH_UNREACHABLE'),
    );
  });
}

for (const [what, answer] of [
  ['never answers', ''],
  ['stops within the head', 'HTTP/1.1 200 OK\r\ncontent-'],
  ['stops within the body', 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc'],
] as const) {
  test(`gives up on a server that ${what}`, async () => {
    await withTcp(
      (socket) => socket.write(answer),
      async ({ host, url }) => {
        const started = performance.now();
        assert.equal(await codeFor(url, { allow: [host], timeoutMs: 200 }), 'E_FETCH_TIMEOUT');
        assert.ok(performance.now() - started < 2000);
      },
    );
  });
}

test('the time limit is over all redirects together', async () => {
  await withHttp(
    (_request, response) => setTimeout(() => response.writeHead(302, { location: '/' }).end(), 80),
    async ({ host, url }) => {
      assert.equal(await codeFor(url, { allow: [host], timeoutMs: 250, maxRedirects: 100 }), 'E_FETCH_TIMEOUT');
    },
  );
});

test('the time limit is over the name too', async () => {
  const stuck = setTimeout(() => {}, 5000); // keeps the process alive, as a real lookup would
  try {
    assert.equal(
      await codeFor('http://slow.test/', { lookup: () => new Promise(() => {}), timeoutMs: 100 }),
      'E_FETCH_TIMEOUT',
    );
  } finally {
    clearTimeout(stuck);
  }
});

for (const [what, answer] of [
  ['closes at once', undefined],
  ['breaks off within the body', 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc'],
  ['does not speak HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ['sends a head of 100 kB', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`],
] as const) {
  test(`a server that ${what} is unreachable`, async () => {
    await withTcp(
      (socket) => (answer === undefined ? socket.end() : socket.end(answer)),
      async ({ host, url }) => assert.equal(await codeFor(url, { allow: [host] }), 'E_FETCH_UNREACHABLE'),
    );
  });
}

test('a refused port and an unknown name are unreachable', async () => {
  let host = '';
  await withTcp(
    () => {},
    async (local) => {
      host = local.host;
    },
  );
  assert.equal(await codeFor(`http://${host}/`, { allow: [host] }), 'E_FETCH_UNREACHABLE');
  const lookup = async () => {
    throw Object.assign(new Error('getaddrinfo ENOTFOUND no.test'), { code: 'ENOTFOUND' });
  };
  assert.equal(await codeFor('http://no.test/', { lookup }), 'E_FETCH_UNREACHABLE');
  assert.equal(await codeFor('http://no.test/', { lookup: async () => [] }), 'E_FETCH_UNREACHABLE');
});

test("the caller's signal ends it with the caller's reason, before and within", async () => {
  await withTcp(
    () => {},
    async ({ host, url }) => {
      const reason = new Error('cancelled by somebody');
      const controller = new AbortController();
      setTimeout(() => controller.abort(reason), 50);
      await assert.rejects(guardedFetch(url, { allow: [host], signal: controller.signal }), reason);
      await assert.rejects(guardedFetch(url, { allow: [host], signal: AbortSignal.abort(reason) }), reason);
    },
  );
});

test('sends no more of itself than it must', async () => {
  await withHttp(
    (request, response) => response.end(JSON.stringify(request.headers)),
    async ({ host, url }) => {
      const { body } = await guardedFetch(url, { allow: [host], userAgent: 'probe/1' });
      assert.deepEqual(Object.keys(JSON.parse(body.toString())).sort(), [
        'accept',
        'accept-encoding',
        'connection',
        'host',
        'user-agent',
      ]);
      assert.equal(JSON.parse(body.toString())['user-agent'], 'probe/1');
    },
  );
});

test('tells permanent faults from transient ones', () => {
  assert.equal(isPermanentFetchError('E_FETCH_BLOCKED'), true);
  assert.equal(isPermanentFetchError('E_FETCH_URL'), true);
  assert.equal(isPermanentFetchError('E_FETCH_TIMEOUT'), false);
  assert.equal(isPermanentFetchError('E_FETCH_UNREACHABLE'), false);
});

test.run();
