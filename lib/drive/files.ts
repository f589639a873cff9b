import { messageOf, OpenClawError } from '../errors/index.ts';
import type { AccessToken, DriveAccount } from './access.ts';

export interface RemoteFile {
  readonly id: string;
  readonly name: string;
  readonly size: number;
  readonly sha256: string | null;
  readonly md5: string | null;
  readonly createdAt: string;
  readonly properties: Readonly<Record<string, string>>;
}

export interface DriveFiles {
  /** Ours, the newest first; `where` are properties that a file must have. */
  list(where: Readonly<Record<string, string>>): Promise<RemoteFile[]>;
  get(id: string): Promise<RemoteFile>;
  remove(id: string): Promise<void>;
}

const FIELDS = 'id,name,size,md5Checksum,sha256Checksum,createdTime,appProperties';
const CALL_LIMIT_MS = 30_000;
/** More than any rule keeps; a list that does not end is a fault of the service. */
const PAGES = 100;

/** Metadata by googleapis' drive path alone, which is loaded when it is first used: all of googleapis takes seconds. */
export async function openDrive({ baseUrl }: DriveAccount, token: AccessToken): Promise<DriveFiles> {
  const { auth, drive } = await import('googleapis/build/src/apis/drive/index.js');
  const client = new auth.OAuth2();
  const api = drive({ version: 'v3', auth: client, rootUrl: `${baseUrl}/` });
  const options = { timeout: CALL_LIMIT_MS, retryConfig: { retry: 3, noResponseRetries: 3, retryDelay: 500 } };
  const call = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    client.setCredentials({ access_token: await token() });
    try {
      return await work();
    } catch (error) {
      if (statusOf(error) !== 401) throw driveError(what, error);
      client.setCredentials({ access_token: await token(true) });
      return work().catch((second: unknown) => {
        throw driveError(what, second);
      });
    }
  };
  return {
    list: async (where) => {
      const terms = Object.entries(where).map(
        ([key, value]) => `appProperties has { key='${escaped(key)}' and value='${escaped(value)}' }`,
      );
      const found: RemoteFile[] = [];
      let pageToken: string | undefined;
      for (let page = 0; page < PAGES; page++) {
        const { data } = await call('list', () =>
          api.files.list(
            {
              q: [...terms, 'trashed=false'].join(' and '),
              orderBy: 'createdTime desc',
              pageSize: 100,
              spaces: 'drive',
              fields: `nextPageToken,files(${FIELDS})`,
              ...(pageToken && { pageToken }),
            },
            options,
          ),
        );
        found.push(...(data.files ?? []).map(remoteFile));
        pageToken = data.nextPageToken ?? undefined;
        if (!pageToken) return found;
      }
      throw new OpenClawError('E_DRIVE', 'the list of Drive does not end');
    },
    get: async (id) =>
      remoteFile((await call('get', () => api.files.get({ fileId: id, fields: FIELDS }, options))).data),
    remove: async (id) => {
      try {
        await call('delete', () => api.files.delete({ fileId: id }, options));
      } catch (error) {
        // Gone already is gone.
        if (!(error instanceof OpenClawError) || error.value !== 404) throw error;
      }
    },
  };
}

const escaped = (text: string) => text.replace(/[\\']/g, '\\$&');
const statusOf = (error: unknown) =>
  Number((error as { status?: number }).status ?? (error as { code?: number }).code ?? 0);

function driveError(what: string, error: unknown): unknown {
  if (error instanceof OpenClawError) return error;
  const status = statusOf(error);
  return new OpenClawError('E_DRIVE', `Drive refuses ${what}: ${messageOf(error)}`, {
    ...(status > 0 && { value: status }),
    cause: error,
  });
}

function remoteFile(file: {
  id?: string | null;
  name?: string | null;
  size?: string | null;
  sha256Checksum?: string | null;
  md5Checksum?: string | null;
  createdTime?: string | null;
  appProperties?: Record<string, string> | null;
}): RemoteFile {
  return {
    id: file.id ?? '',
    name: file.name ?? '',
    size: Number(file.size ?? Number.NaN),
    sha256: file.sha256Checksum ?? null,
    md5: file.md5Checksum ?? null,
    createdAt: file.createdTime ?? '',
    properties: file.appProperties ?? {},
  };
}
