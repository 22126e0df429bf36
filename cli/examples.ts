/** What the help of a command shows beside its options: command lines without `sqltrail`. Those of migrate are its own. */
export const examples: Record<string, string[]> = {
  dev: ['dev', 'dev --scale tiny --load idle'],
  diagnose: [
    'diagnose postgres://reader@host/db',
    'diagnose postgres://reader@host/db --format html --output report.html',
    'diagnose postgres://reader@host/db --only indexes --fail-on critical',
  ],
  fix: [
    'fix plan postgres://owner@host/db',
    'fix apply postgres://owner@host/db --only index --yes',
    'fix list postgres://owner@host/db',
    'fix revert postgres://owner@host/db --yes',
  ],
  rewrite: [
    'rewrite postgres://reader@host/db',
    'rewrite postgres://reader@host/db --search-path app public',
  ],
  archive: [
    'archive plan postgres://owner@host/db --policy archive.yaml',
    'archive run postgres://owner@host/db --policy archive.yaml --yes',
    'archive query "SELECT count(*) FROM events" postgres://owner@host/db',
    'archive list postgres://owner@host/db',
  ],
  init: [
    'init postgres://owner@127.0.0.1:5432/orders --service orders-api --metrics 127.0.0.1:9464',
    'init postgres://owner@127.0.0.1:5432/orders --create-role --yes',
  ],
  export: [
    'export',
    'export rules scrape --config sqltrail.yaml --out monitoring',
    'export dashboards',
    'export kubernetes',
  ],
  mcp: ['mcp', 'mcp postgres://reader@host/db', 'mcp --console http://127.0.0.1:8088'],
  up: [
    'up',
    'up --config orders.yaml --dir /var/lib/sqltrail',
    'up --prometheus http://prometheus:9090 --alertmanager http://alertmanager:9093',
  ],
  schema: [
    'schema postgres://reader@host/db',
    'schema postgres://reader@host/db --schema app --format svg --output schema.svg',
  ],
};

/** The examples of a command as its help has them; empty where there are none. */
export function exampleText(command: string): string {
  const lines = examples[command];
  return lines ? ['\nExamples:', ...lines.map((line) => `  sqltrail ${line}`)].join('\n') : '';
}
