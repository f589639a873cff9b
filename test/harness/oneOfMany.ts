import { once } from 'node:events';
import pg from 'pg';

// A process of atOnce(): its connections are open before it says "ready", and their statements begin when it is told to go.
const [url, text, times, isolation] = process.argv.slice(2) as [string, string, string, string];
const clients = await Promise.all(
  Array.from({ length: Number(times) }, async () => {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    // The snapshot of a repeatable read is taken by its first statement: before the others have done anything.
    await client.query(`begin isolation level ${isolation}; select 1`);
    return client;
  }),
);
process.stdout.write('ready\n');
await once(process.stdin, 'data');
const results = await Promise.all(
  clients.map(async (client) => {
    try {
      const { rows } = await client.query(text);
      await client.query('commit');
      return rows[0];
    } catch (error) {
      await client.query('rollback');
      return { code: (error as { code?: string }).code };
    }
  }),
);
process.stdout.write(JSON.stringify(results));
await Promise.all(clients.map((client) => client.end()));
