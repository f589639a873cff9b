import { createInterface } from 'node:readline';
import pg from 'pg';

// A process of atOnce(): its connections stay from one call to the next. A line `{text, isolation}` opens their transactions, which it
// answers with `ready`; the next line lets their statements begin all at once, and is answered with what each of them gave.
const [url, connections] = process.argv.slice(2) as [string, string];
const clients = await Promise.all(
  Array.from({ length: Number(connections) }, async () => {
    const client = new pg.Client({ connectionString: url });
    // The database is dropped at the end of its tests.
    client.on('error', () => process.exit());
    await client.connect();
    return client;
  }),
);
let text: string | undefined;
for await (const line of createInterface({ input: process.stdin })) {
  if (text === undefined) {
    const asked = JSON.parse(line) as { text: string; isolation: string };
    // The snapshot of a repeatable read is taken by its first statement: before the others have done anything.
    await Promise.all(clients.map((client) => client.query(`begin isolation level ${asked.isolation}; select 1`)));
    text = asked.text;
    process.stdout.write('ready\n');
  } else {
    const results = await Promise.all(clients.map((client) => attempt(client, text!)));
    text = undefined;
    process.stdout.write(`${JSON.stringify(results)}\n`);
  }
}
process.exit();

async function attempt(client: pg.Client, statement: string): Promise<unknown> {
  try {
    const { rows } = await client.query(statement);
    await client.query('commit');
    return rows[0];
  } catch (error) {
    await client.query('rollback');
    return { code: (error as { code?: string }).code };
  }
}
