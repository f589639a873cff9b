import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { CODE_ROOT } from '../../lib/config/index.ts';
import { dumpSchema } from '../../lib/db/dumpSchema.ts';
import { freshDatabase } from './database.ts';

// `npm run schema`: after a new migration.
const database = await freshDatabase();
writeFileSync(path.join(CODE_ROOT, 'sql/schema.sql'), await dumpSchema(database.server, database.name));
await database.drop();
process.stdout.write('sql/schema.sql is written\n');
