import type { MediumTerm } from '../../fix/mediumTerm.ts';
import { mediumTermText, operationText } from '../../fix/mediumTermText.ts';
import { CommandLine, findingLink, SeverityMark } from './parts.tsx';
import { migrationsNote, sayingOf } from './sentences.ts';

function Migration({ planned }: { planned: MediumTerm }) {
  const { operation, findings, severity, lock, command } = planned;
  const { size, time, disk } = mediumTermText(planned);
  return (
    <li class={`finding ${severity}`}>
      <div class="head">
        <SeverityMark severity={severity} />
        <h4>{operationText(operation)}</h4>
      </div>
      <dl class="facts">
        <dt>Answers</dt>
        <dd>
          {findings.map(({ id, title }) => (
            <a key={id} href={findingLink(id)}>
              {title}
            </a>
          ))}
        </dd>
        <dt>Size</dt>
        <dd>{size}</dd>
        <dt>Time</dt>
        <dd>{time}</dd>
        <dt>Disk</dt>
        <dd>{disk}</dd>
        <dt>Lock</dt>
        <dd>{lock}</dd>
      </dl>
      <CommandLine command={command} />
    </li>
  );
}

/** What rebuilds tables, apart from what is applied at once. */
export function Migrations({ planned }: { planned: MediumTerm[] }) {
  if (planned.length === 0) return null;
  return (
    <section aria-labelledby="medium-term">
      <h3 id="medium-term">
        Medium term{' '}
        <span class="count">
          {planned.length === 1
            ? '1 online migration'
            : `${planned.length} online migrations, the most severe finding first`}
        </span>
      </h3>
      <p class="soft">{migrationsNote(sayingOf({}))}</p>
      <ol class="findings">
        {planned.map((each) => (
          <Migration key={each.command} planned={each} />
        ))}
      </ol>
    </section>
  );
}
