import type { Config } from '../config/schema.ts';
import { guardedBy } from './definition.ts';

/** Receives alerts and does nothing with them: Prometheus and the console show them all the same. */
const NOBODY = { name: 'nobody' };

/** Alertmanager's configuration: who receives what, and which alert mutes which. */
export function alertmanagerConfig(config: Config) {
  const { pace } = guardedBy(config);
  const receivers = config.receivers.length > 0 ? config.receivers : [NOBODY];
  const [first = NOBODY] = receivers;
  const { page = first.name, ticket = first.name } = config.routes;
  const [service, ...more] = config.services.map(({ name }) => name);
  return {
    route: {
      receiver: ticket,
      group_by: ['alertname'],
      group_wait: pace.wait(2),
      group_interval: pace.wait(15),
      repeat_interval: '1h',
      routes: [{ matchers: ['severity = page'], receiver: page, group_wait: pace.wait(1) }],
    },
    receivers,
    inhibit_rules: [
      // A cause mutes its symptoms: slow statements, timeouts and a full pool explain failing requests.
      {
        source_matchers: [
          'layer = cause',
          'severity = page',
          'alertname =~ "SlowStatements|StatementTimeouts|PoolExhausted"',
        ],
        target_matchers: ['layer = symptom'],
      },
      // A service that is not scraped explains everything that is said about it.
      {
        source_matchers: [
          'alertname = TelemetryMissing',
          more.length === 0 ? `job = ${service}` : `job =~ "${[service, ...more].join('|')}"`,
        ],
        target_matchers: ['layer = symptom'],
      },
    ],
  };
}
