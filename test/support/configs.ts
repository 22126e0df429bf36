import { parseConfig } from '../../config/load.ts';

export { shopConfig } from '../../sample-shop/generate.ts';

/** Has nothing of the shop: two services, two databases, a transaction that is counted by its spans, minutes. */
export const LIBRARY = `version: 1
system: library
services:
  - { name: lending.api, metrics: ["10.0.0.1:9464", "10.0.0.2:9464"] }
  - { name: catalogue-web, metrics: ["10.0.0.3:9464"] }
databases:
  - name: lending
    url_env: LENDING_URL
    exporter: 10.0.0.4:9187
    pools: [loans, fines]
    tables:
      - { table: public.loan, date: lent_on, retention: loans }
      - { table: 'public.Fine', dated_by: public.loan, date: lent_on }
      - { table: log.visit, retention: visits }
  - { name: books, url_env: BOOKS_URL, exporter: "10.0.0.5:9187" }
retention: { loans: 1000, visits: 30 }
objectives: { request-latency-p95: 0.3, statement-latency-p95: 0.2, request-failure-ratio: 0.005 }
business: { name: Loan, route: "/loans/:id", method: PUT, currency: USD, value: { fixed: 3.5 } }
diagnosis: { every: 30m }
receivers:
  - { name: desk, email_configs: [{ to: desk@library.example, from: a@library.example, smarthost: "mail:25" }] }
  - { name: chat, slack_configs: [{ api_url_file: /run/slack, channel: "#library" }] }
routes: { page: desk, ticket: chat }
parts: { collector: "10.0.0.6:8888" }
urls: { console: "http://console.library.example", tempo: "http://tempo:4318" }
`;
export const libraryConfig = parseConfig(LIBRARY, 'library.yaml');

/** The least that a configuration can be. */
export const LEAST = `version: 1
services: [{ name: worker }]
databases: [{ name: queue }]
`;
export const leastConfig = parseConfig(LEAST, 'least.yaml');

/** Nobody asks it anything: it takes jobs from a queue in the database. */
const WORKERS = `version: 1
services: [{ name: worker, metrics: ["10.0.0.1:9464"], requests: false }]
databases: [{ name: queue }]
`;
export const workersConfig = parseConfig(WORKERS, 'workers.yaml');
