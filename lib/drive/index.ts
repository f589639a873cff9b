export { type AccessToken, accessTokens, type DriveAccount, driveAccount } from './access.ts';
export { authorizeDrive } from './authorize.ts';
export { downloadFile } from './download.ts';
export { type DriveFiles, openDrive, type RemoteFile } from './files.ts';
export { type UploadRequest, uploadFile } from './upload.ts';
