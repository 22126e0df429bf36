import type { Alert } from '../sources/alertmanager.ts';
import { findingsFor } from './findings.tsx';
import { ago } from './format.ts';
import { useBeat, useTopic } from './live.ts';
import { findingLink, Notice, statementLink, traceLink } from './parts.tsx';

function AlertCard({ alert }: { alert: Alert }) {
  const { data: diagnosis } = useTopic('diagnosis');
  const { data: statements } = useTopic('statements');
  const statement = alert.labels['db_query_summary'];
  const traceId = statements?.find(({ summary }) => summary === statement)?.traceId;
  const [finding] = findingsFor(diagnosis, alert);
  return (
    <li class={alert.muted ? 'muted' : alert.severity}>
      <div class="head">
        <strong>{alert.name}</strong>
        <span class={`badge ${alert.severity === 'page' ? 'critical' : 'warning'}`}>
          {alert.severity === 'page' ? '▲' : '◆'} {alert.severity}
        </span>
        <span class="soft small">
          for {ago(alert.startsAt)}
          {alert.muted === 'inhibited' ? ', muted: its cause fires as well' : ''}
          {alert.muted === 'silenced' ? ', silenced' : ''}
        </span>
      </div>
      <div>{alert.summary}</div>
      <div class="links">
        {statement ? <a href={statementLink(statement)}>{statement}</a> : null}
        {traceId ? (
          <a href={traceLink(traceId)}>
            Slowest trace<span class="visually-hidden"> of {statement}</span>
          </a>
        ) : null}
        {finding ? (
          <a href={findingLink(finding.id)} title={finding.title}>
            Why: {finding.check}
          </a>
        ) : null}
        {alert.runbook ? (
          <a href={alert.runbook} target="_blank" rel="noreferrer">
            Runbook<span class="visually-hidden"> of {alert.name}</span>
          </a>
        ) : null}
      </div>
    </li>
  );
}

export function Alerts() {
  const { data, fault } = useTopic('alerts');
  useBeat();
  return (
    <section aria-labelledby="alerts-title">
      <h2 id="alerts-title">
        Alerts{' '}
        <span class="count">{data ? `${data.filter((alert) => !alert.muted).length} firing` : ''}</span>
      </h2>
      <Notice fault={fault} />
      {data?.length === 0 ? <p class="hollow">✓ No alerts are firing.</p> : null}
      <ul class="alerts">
        {data?.map((alert) => (
          <AlertCard key={alert.fingerprint} alert={alert} />
        ))}
      </ul>
    </section>
  );
}
