import { numberText } from '../../lib/units/format.ts';
import { conditionsOf, type PlanNode, type PlanPart, readPlan } from './plan.ts';

const percent = (share: number) =>
  share >= 0.995 ? '100 %' : `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`;
/** Beyond this the planner chose on a wrong belief (a usual rule of thumb). */
const MISJUDGED = 10;

interface Facts {
  /** Rows a call returned, by pg_stat_statements or the span; undefined where nobody counted. */
  rowsPerCall: number | undefined;
  tableRows: Record<string, number>;
}

function Rows({ part, isRoot, facts }: { part: PlanPart; isRoot: boolean; facts: Facts }) {
  const { node, misjudged } = part;
  const actual = node['Actual Rows'];
  const inTable = node['Relation Name'] === undefined ? undefined : facts.tableRows[node['Relation Name']];
  const reads = node['Node Type'].includes('Seq Scan') && inTable !== undefined && inTable >= 0;
  return (
    <dl class="rows">
      <div>
        <dt>estimated rows</dt>
        <dd>{numberText(node['Plan Rows'])}</dd>
      </div>
      {actual !== undefined ? (
        <div class={misjudged !== null && misjudged >= MISJUDGED ? 'bad' : ''}>
          <dt>actual rows</dt>
          <dd>
            {numberText(actual)}
            {misjudged !== null && misjudged >= MISJUDGED ? ` – ${numberText(misjudged)} × off` : ''}
          </dd>
        </div>
      ) : isRoot && facts.rowsPerCall !== undefined ? (
        <div>
          <dt>actual rows, mean over all calls</dt>
          <dd>{numberText(facts.rowsPerCall)}</dd>
        </div>
      ) : null}
      {reads ? (
        <div>
          <dt>rows in the table, all read</dt>
          <dd>{numberText(inTable)}</dd>
        </div>
      ) : null}
      {node['Rows Removed by Filter'] !== undefined ? (
        <div>
          <dt>rows read and discarded</dt>
          <dd>{numberText(node['Rows Removed by Filter'])}</dd>
        </div>
      ) : null}
      {part.loops > 1 ? (
        <div>
          <dt>runs</dt>
          <dd>{numberText(part.loops)} ×</dd>
        </div>
      ) : null}
      <div>
        <dt>cost</dt>
        <dd>{numberText(node['Total Cost'])}</dd>
      </div>
      {node['Actual Total Time'] !== undefined ? (
        <div>
          <dt>time</dt>
          <dd>{numberText(node['Actual Total Time'])} ms</dd>
        </div>
      ) : null}
    </dl>
  );
}

function Part({
  part,
  heaviest,
  analyzed,
  isRoot,
  facts,
}: {
  part: PlanPart;
  heaviest: PlanPart;
  analyzed: boolean;
  isRoot: boolean;
  facts: Facts;
}) {
  const { node } = part;
  const dear = part === heaviest;
  return (
    <li>
      <div class={`node ${dear ? 'dear' : ''}`}>
        <div class="head">
          <span>
            <strong>{node['Node Type']}</strong>
            {node['Relation Name'] ? ` on ${node['Relation Name']}` : ''}
            {node['Index Name'] ? ` using ${node['Index Name']}` : ''}
          </span>
          {dear ? <span class="badge critical">▲ most expensive</span> : null}
          <span class="share">
            <svg width="60" height="8" aria-hidden="true">
              <rect class="track" width="60" height="8" />
              <rect class={dear ? 'fill dear' : 'fill'} width={Math.max(1, 60 * part.share)} height="8" />
            </svg>{' '}
            {percent(part.share)} of the {analyzed ? 'time' : 'cost'}
          </span>
        </div>
        <Rows part={part} isRoot={isRoot} facts={facts} />
        {conditionsOf(node).map(({ name, text }) => (
          <div key={name} class="condition">
            <span class="soft">{name}</span> <code>{text}</code>
          </div>
        ))}
      </div>
      {part.children.length > 0 ? (
        <ul>
          {part.children.map((child, at) => (
            <Part
              key={at}
              part={child}
              heaviest={heaviest}
              analyzed={analyzed}
              isRoot={false}
              facts={facts}
            />
          ))}
        </ul>
      ) : null}
    </li>
  );
}

/** A plan as a tree; the node that takes most by itself is marked. */
export function Plan({ plan, facts }: { plan: PlanNode; facts: Facts }) {
  const { root, heaviest, analyzed } = readPlan(plan);
  return (
    <>
      <p class="soft small">
        {analyzed
          ? 'EXPLAIN ANALYZE: rows and times were measured.'
          : 'EXPLAIN: planned with the values of this call, but not run again. Shares are based on the planner’s cost.'}
      </p>
      <ul class="plan" id="plan" aria-label="Plan">
        <Part part={root} heaviest={heaviest} analyzed={analyzed} isRoot facts={facts} />
      </ul>
    </>
  );
}
