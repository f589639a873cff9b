export { findMasterKey, MASTER_CREDENTIAL } from './masterKey.ts';
export {
  type Credential,
  type Credentials,
  hasStore,
  listCredentials,
  openCredentials,
  removeCredential,
  rotateCredentials,
  setCredential,
  storePath,
} from './store.ts';
