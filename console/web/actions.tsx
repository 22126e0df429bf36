import { useEffect, useRef, useState } from 'preact/hooks';
import { bytesText, numberText } from '../../lib/units/format.ts';
import type { ActionReading, ActionsReading } from '../actions.ts';
import { clock } from './format.ts';
import { type Fault, useTopic } from './live.ts';
import { Migrations } from './migrations.tsx';
import { actionLink, CommandLine, findingLink, Notice, Scroll, Sql, Waiting } from './parts.tsx';
import { commandNote, effectOf, nothingToDo, noUndo, sayingOf } from './sentences.ts';
import { change, useUnlocked } from './session.ts';
import { Unlock } from './unlock.tsx';

export const stateWords: Record<ActionReading['state'], string> = {
  proposed: '○ proposed',
  planned: '… planned',
  applying: '… being applied',
  applied: '… applied, being measured',
  kept: '✓ in force',
  undoing: '… being undone',
  reverted: '↩ reverted',
  failed: '✗ failed',
};

const effectText = (entry: ActionReading): string =>
  effectOf(sayingOf({ actions: [entry] }), entry.action.id) || '–';

/** What is about to happen, in full, before it happens. */
function Confirm({
  entry,
  verb,
  onDone,
}: {
  entry: ActionReading;
  verb: 'apply' | 'undo';
  onDone: (fault?: Fault) => void;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const unlocked = useUnlocked();
  useEffect(() => dialog.current?.showModal(), []);
  const { action } = entry;
  const sql = verb === 'apply' ? action.sql : action.undo;
  const go = async () => {
    const fault = await change('/api/actions', { verb, id: action.id });
    // Without its right any more the tab asks for the token, here.
    if (fault && 'status' in fault && fault.status === 401) return;
    onDone(fault);
  };
  return (
    <dialog ref={dialog} aria-labelledby="confirm-title" onClose={() => onDone()}>
      <h2 id="confirm-title">{verb === 'apply' ? 'Apply to the database?' : 'Undo in the database?'}</h2>
      <p>{action.title}</p>
      {sql.map((statement) => (
        <Sql key={statement} text={statement} />
      ))}
      {verb === 'apply' ? (
        <dl class="facts">
          <dt>Lock</dt>
          <dd>{action.lock}</dd>
          <dt>Risk</dt>
          <dd>{action.risk}</dd>
          <dt>Way back</dt>
          <dd>
            {action.undo.length > 0 ? (
              <code>{action.undo.join('; ')}</code>
            ) : (
              noUndo(sayingOf({ actions: [entry] }), action.id)
            )}
          </dd>
        </dl>
      ) : null}
      {unlocked ? (
        <div class="buttons">
          <button type="button" class="primary" onClick={go}>
            {verb === 'apply' ? 'Apply now' : 'Undo now'}
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
        </div>
      ) : (
        <Unlock onUnlocked={() => {}} onCancel={() => dialog.current?.close()} />
      )}
    </dialog>
  );
}

function Progress({ reading, id }: { reading: ActionsReading; id: string }) {
  const { running, failure } = reading;
  return (
    <div role="status">
      {running?.id === id ? (
        <p class="busy">
          … {running.verb === 'apply' ? 'Applying' : 'Undoing'}: {running.text}
        </p>
      ) : null}
      {failure?.id === id ? (
        <p class="notice">
          <strong>The change failed.</strong> {failure.text}
        </p>
      ) : null}
    </div>
  );
}

function Command({ command }: { command: string }) {
  return (
    <div>
      <h3>On the command line</h3>
      <CommandLine command={command} />
      <p class="soft small">
        This console only looks: OWNER_DATABASE_URL is not set for it. {commandNote(sayingOf({}))}
      </p>
    </div>
  );
}

export function ActionPage({ id }: { id: string }) {
  const { data, fault } = useTopic('actions');
  const { data: diagnosis } = useTopic('diagnosis');
  const [confirming, confirm] = useState<'apply' | 'undo' | null>(null);
  const [refusal, refuse] = useState<Fault>();
  const entry = data?.actions.find(({ action }) => action.id === id);
  if (!data || !entry)
    return (
      <>
        <h2>Action</h2>
        <Notice fault={fault} />
        {data ? (
          <p class="notice" role="alert">
            <strong>There is no action {id}.</strong> It is neither in the journal nor in the last diagnosis.{' '}
            <a href="#/actions">All actions</a>
          </p>
        ) : fault ? null : (
          <Waiting />
        )}
      </>
    );
  const { action, state, can, command, note, owner, startedAt, reviewOn } = entry;
  return (
    <>
      <p class="crumb">
        <a href="#/actions">Actions</a> · {action.kind}
      </p>
      <h2>{action.title}</h2>
      <p>
        <span class={`state ${state}`}>{stateWords[state]}</span>
        {owner && startedAt ? (
          <span class="soft">
            {' '}
            since {clock(Date.parse(startedAt))}, by {owner}
            {reviewOn ? `; ${action.temporary ? 'temporary, ' : ''}to be reviewed on ${reviewOn}` : ''}
          </span>
        ) : null}
      </p>
      <Notice fault={fault} />
      <Notice fault={refusal} />
      <Progress reading={data} id={id} />
      {can ? (
        <p>
          <button type="button" class="primary" onClick={() => confirm(can)}>
            {can === 'apply' ? 'Apply …' : 'Undo …'}
          </button>
        </p>
      ) : null}
      {confirming ? (
        <Confirm
          entry={entry}
          verb={confirming}
          onDone={(given) => {
            confirm(null);
            refuse(given);
          }}
        />
      ) : null}
      <div class="two">
        <div>
          <h3>Plan</h3>
          {action.sql.map((sql) => (
            <Sql key={sql} text={sql} />
          ))}
          <h3>Undo</h3>
          {action.undo.length > 0 ? (
            action.undo.map((sql) => <Sql key={sql} text={sql} />)
          ) : (
            <p class="soft">{noUndo(sayingOf({ actions: [entry] }), action.id)}</p>
          )}
        </div>
        <div>
          <h3>Notes</h3>
          <dl class="facts">
            <dt>Why</dt>
            <dd>{action.reason}</dd>
            <dt>Effect, measured</dt>
            <dd>{note ?? effectText(entry)}</dd>
            {action.predictedSpeedup === null ? null : (
              <>
                <dt>Effect, predicted</dt>
                <dd>{numberText(action.predictedSpeedup)} × as fast</dd>
              </>
            )}
            <dt>Lock</dt>
            <dd>{action.lock}</dd>
            <dt>Risk</dt>
            <dd>{action.risk}</dd>
            {entry.applySeconds === null ? null : (
              <>
                <dt>It took</dt>
                <dd>
                  {numberText(entry.applySeconds)} s
                  {action.time
                    ? `; about ${numberText(action.time.applySeconds)} s were expected (${action.time.basis})`
                    : ''}
                </dd>
              </>
            )}
            {action.bytes === null ? null : (
              <>
                <dt>Disk</dt>
                <dd>about {bytesText(action.bytes)}</dd>
              </>
            )}
            {action.findings.length > 0 ? (
              <>
                <dt>Answers</dt>
                <dd>
                  {action.findings.map((finding) => (
                    <a key={finding} href={findingLink(finding)}>
                      {diagnosis?.last?.findings.find(({ id: known }) => known === finding)?.title ?? finding}
                    </a>
                  ))}
                </dd>
              </>
            ) : null}
          </dl>
          {command && !data.canChange ? <Command command={command} /> : null}
        </div>
      </div>
    </>
  );
}

export function ActionsPage() {
  const { data, fault } = useTopic('actions');
  return (
    <>
      <h2>Actions</h2>
      <p class="soft">
        What was changed in this database, from its journal, and what the findings propose.{' '}
        {data && !data.canChange ? 'This console is read-only; each action shows its command.' : ''}
      </p>
      <Notice fault={fault} />
      {data?.actions.length === 0 ? (
        <p class="hollow">
          {nothingToDo(sayingOf(data))} <a href="#/findings">Run the diagnosis</a>
        </p>
      ) : null}
      {data && data.actions.length > 0 ? (
        <Scroll label="Actions">
          <table>
            <thead>
              <tr>
                <th>Action</th>
                <th>State</th>
                <th>Effect, measured</th>
                <th>Lock</th>
              </tr>
            </thead>
            <tbody>
              {data.actions.map((entry) => (
                <tr key={entry.action.id}>
                  <td>
                    <a href={actionLink(entry.action.id)}>{entry.action.title}</a>
                  </td>
                  <td>
                    <span class={`state ${entry.state}`}>{stateWords[entry.state]}</span>
                    {data.running?.id === entry.action.id ? (
                      <div class="busy small">{data.running.text}</div>
                    ) : null}
                  </td>
                  <td>{effectText(entry)}</td>
                  <td class="soft">{entry.action.lock}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      ) : data || fault ? null : (
        <Waiting />
      )}
      {data ? <Migrations planned={data.mediumTerm} /> : null}
    </>
  );
}
