import { buildAlertFiles } from '../alerts/build.ts';
import { buildCollectorFiles } from '../collector/build.ts';
import { targetFile } from '../collector/prometheus.ts';
import type { Config } from '../config/schema.ts';

/** Files by their path, in a folder. */
export const under = (folder: string, files: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(files).map(([file, text]) => [`${folder}/${file}`, text]));

/**
 * What Prometheus, Alertmanager and the exporters of our own stack read, by its path in their directory.
 *
 * @param config with the addresses that the parts have there
 * @param alertmanager host and port
 */
export const partFiles = (config: Config, alertmanager: string): Record<string, string> => ({
  ...under('alerts', buildAlertFiles(config)),
  ...under('collector', buildCollectorFiles(config)),
  'collector/targets/alertmanager.json': targetFile({
    name: 'alertmanager',
    targets: [{ address: alertmanager }],
  }),
});
