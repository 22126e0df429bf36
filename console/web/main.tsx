import { type ComponentChildren, render } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { ActionPage, ActionsPage } from './actions.tsx';
import { BusinessPage } from './business.tsx';
import { databases, showDatabase, shownDatabase } from './databases.ts';
import { FindingPage, FindingsPage } from './findings.tsx';
import { ago } from './format.ts';
import { IncidentPage } from './incident.tsx';
import { KpiPage } from './kpis.tsx';
import { listen, useBeat, useConnection, useTopic } from './live.ts';
import { DashboardPage } from './panels.tsx';
import { Guard } from './parts.tsx';
import { lock, useUnlocked } from './session.ts';
import { StatementPage, StatementsPage } from './statements.tsx';
import { phaseNames } from './story.ts';
import { TracePage } from './trace.tsx';
import { TracesPage } from './traces.tsx';
import { UnlockPage } from './unlock.tsx';

const views: Record<
  string,
  { title: string; list?: () => ComponentChildren; one?: (id: string) => ComponentChildren }
> = {
  '': { title: 'Incident', list: () => <IncidentPage /> },
  findings: { title: 'Findings', list: () => <FindingsPage />, one: (id) => <FindingPage id={id} /> },
  actions: { title: 'Actions', list: () => <ActionsPage />, one: (id) => <ActionPage id={id} /> },
  statements: {
    title: 'Statements',
    list: () => <StatementsPage />,
    one: (summary) => <StatementPage summary={summary} />,
  },
  traces: { title: 'Traces', list: () => <TracesPage />, one: (traceId) => <TracePage traceId={traceId} /> },
  dashboards: {
    title: 'Dashboards',
    list: () => <DashboardPage id="overview" />,
    one: (id) => <DashboardPage id={id} />,
  },
  business: { title: 'For everybody', list: () => <BusinessPage /> },
  kpis: { title: 'KPI', one: (id) => <KpiPage id={id} /> },
  unlock: { title: 'Unlock', one: (code) => <UnlockPage code={code} /> },
};
const inNavigation = ['', 'findings', 'actions', 'statements', 'traces', 'dashboards', 'business'];

/** `#/<view>/<id>`; an id that is no valid encoding is taken as it is. */
function readHash(hash: string): { view: string; id: string } {
  const [, view = '', id = ''] = /^#\/([a-z]*)(?:\/(.+))?$/s.exec(hash) ?? [];
  try {
    return { view, id: decodeURIComponent(id) };
  } catch {
    return { view, id };
  }
}

function useHash(): string {
  const [hash, set] = useState(location.hash);
  useEffect(() => {
    const onChange = () => set(location.hash);
    addEventListener('hashchange', onChange);
    return () => removeEventListener('hashchange', onChange);
  }, []);
  return hash;
}

const marks = { connecting: '… connecting', live: '● live', down: '✗ not connected' };

function Bar({ view }: { view: string }) {
  const { data } = useTopic('timeline');
  const connection = useConnection();
  const unlocked = useUnlocked();
  useBeat();
  const phase = data?.phases.at(-1);
  return (
    <header class="bar">
      {/* biome-ignore lint/a11y/useValidAnchor: it leads to the content, without a line in the history */}
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          document.getElementById('main')?.focus();
        }}
      >
        To the content
      </a>
      <h1>
        <a class="brand" href="#/">
          sqltrail
        </a>
      </h1>
      <nav aria-label="Pages">
        {inNavigation.map((name) => (
          <a key={name} href={`#/${name}`} aria-current={view === name ? 'page' : undefined}>
            {views[name]?.title}
          </a>
        ))}
      </nav>
      <span class="where">
        {databases.length > 1 ? (
          <select
            aria-label="Database"
            value={shownDatabase}
            onChange={(event) => showDatabase(event.currentTarget.value)}
          >
            {databases.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        ) : null}
        {phase ? (
          <span>
            <span class="phase">{phaseNames[phase.phase]}</span>{' '}
            <span class="soft">for {ago(phase.since)}</span>
          </span>
        ) : null}
        {unlocked ? (
          <button
            type="button"
            class="plain"
            onClick={lock}
            title="This tab can apply and undo changes. Lock it again."
          >
            Lock
          </button>
        ) : null}
        <span class={`link ${connection}`} role="status">
          {marks[connection]}
        </span>
      </span>
    </header>
  );
}

function App() {
  const { view, id } = readHash(useHash());
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const page = views[view];
  useEffect(() => {
    document.title = `${id || page?.title || 'Not found'} · sqltrail`.slice(0, 120);
    // The first page is read from its top; after a link the reader goes on at the new content.
    if (!first.current) {
      scrollTo(0, 0);
      main.current?.focus({ preventScroll: true });
    }
    first.current = false;
  }, [view, id]);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== '/' || (event.target as HTMLElement).matches('input, select, textarea')) return;
      const find = document.getElementById('find');
      if (!find) return;
      event.preventDefault();
      find.focus();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
  const content = id ? page?.one?.(id) : page?.list?.();
  return (
    <>
      <Bar view={view} />
      <main id="main" tabIndex={-1} ref={main}>
        <Guard key={`${view}/${id}`}>
          {content ?? (
            <>
              <h2>Not found</h2>
              <p>
                There is no such page. <a href="#/">Incident</a>
              </p>
            </>
          )}
        </Guard>
      </main>
    </>
  );
}

const root = document.getElementById('app');
if (root) {
  listen();
  render(<App />, root);
}
