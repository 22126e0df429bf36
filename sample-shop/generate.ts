import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { buildAlertFiles } from '../alerts/build.ts';
import { kpiPage } from '../alerts/kpiPage.ts';
import { under } from '../cli/partFiles.ts';
import { buildCollectorFiles } from '../collector/build.ts';
import { configurationPage } from '../config/docsPage.ts';
import { jsonSchema, readConfig } from '../config/load.ts';
import { buildDashboards, dashboardText } from '../dashboards/build.ts';

const root = path.join(import.meta.dirname, '..');

/** The configuration of the sample shop. */
export const shopConfig = readConfig(path.join(import.meta.dirname, 'sqltrail.yaml'));

/** Every committed file that comes from the shop's configuration, by its path in the repository. */
export const generatedFiles = (): Record<string, string> => ({
  ...under('alerts', buildAlertFiles(shopConfig)),
  ...under('collector', buildCollectorFiles(shopConfig)),
  ...under(
    'dashboards/json',
    Object.fromEntries(
      Object.entries(buildDashboards(shopConfig)).map(([file, content]) => [file, dashboardText(content)]),
    ),
  ),
  'docs/kpis.md': kpiPage(shopConfig, 'sample-shop/sqltrail.yaml'),
  'docs/configuration.md': configurationPage(),
  'config/sqltrail.schema.json': `${JSON.stringify(jsonSchema(), null, 2)}\n`,
});

/** Folders that hold generated files only. */
export const generatedFolders = ['alerts/rules', 'alerts/tests', 'dashboards/json'];

if (import.meta.main) {
  const files = generatedFiles();
  for (const folder of generatedFolders)
    for (const file of await readdir(path.join(root, folder)))
      if (!Object.hasOwn(files, `${folder}/${file}`)) await rm(path.join(root, folder, file));
  for (const [file, text] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await writeFile(path.join(root, file), text);
  }
}
