import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Compiles to dist/esm and dist/cjs, each with types. `npm pack` runs it; nothing in the repository needs it. */
const here = import.meta.dirname;
const dist = path.join(here, 'dist');
rmSync(dist, { recursive: true, force: true });
for (const format of ['esm', 'cjs'])
  execFileSync('npx', ['tsc', '--project', path.join(here, `tsconfig.${format}.json`)], { stdio: 'inherit' });
writeFileSync(path.join(dist, 'cjs', 'package.json'), '{ "type": "commonjs" }\n');
