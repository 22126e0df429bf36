/** How the command line is called: in a checkout by its script, in the package, which is plain JavaScript, by npx. */
export const SQLTRAIL = import.meta.filename.endsWith('.ts') ? 'npm run sqltrail --' : 'npx sqltrail';
