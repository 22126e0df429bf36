import { styleText } from 'node:util';
import { bytesText, count } from '../../lib/units/format.ts';
import { unexplained } from '../attribution.ts';
import { shortly } from '../checks/shared.ts';
import { type Diagnosis, notesOf } from '../diagnosis.ts';
import type { Cost, RankedFinding } from '../finding.ts';
import { fixSql } from '../fixSql.ts';
import { commandsOf } from '../operationCommand.ts';
import { causeTree } from './tree.ts';

const colours = { critical: 'red', warning: 'yellow', info: 'cyan' } as const;

export function costText({ bytes, msPerSecond, rowsReadPerRow, calls }: Cost): string {
  return [
    ...(msPerSecond === undefined
      ? []
      : [`${msPerSecond >= 10 ? count(msPerSecond) : msPerSecond.toFixed(1)} ms/s of database time`]),
    ...(bytes === undefined ? [] : [bytesText(bytes)]),
    ...(rowsReadPerRow === undefined ? [] : [`${count(rowsReadPerRow)} rows read for each returned`]),
    ...(calls === undefined ? [] : [`${count(calls)} calls`]),
  ].join(', ');
}

const percent = (share: number) => `${share >= 0.1 ? Math.round(share * 100) : (share * 100).toFixed(1)} %`;

/** Words on lines of at most `columns`, each after `indent`. */
export function wrap(text: string, columns: number, indent: string): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line && indent.length + line.length + 1 + word.length > columns) {
      lines.push(indent + line);
      line = word;
    } else line = line ? `${line} ${word}` : word;
  }
  return [...lines, indent + line].join('\n');
}

function one(finding: RankedFinding, columns: number, verbose: boolean): string {
  const { rank, severity, title, shareOfLostTime, explanation, cost, confidence, fix, explains } = finding;
  const share = shareOfLostTime === null ? '' : `  ${percent(shareOfLostTime)} of database time`;
  const price = costText(cost);
  const lines = [
    `${String(rank).padStart(3)}. ${styleText(colours[severity], severity)}  ${styleText('bold', title)}${share}`,
    wrap(explanation, columns, '     '),
  ];
  if (price) lines.push(wrap(`Costs ${price}.`, columns, '     '));
  lines.push(
    `     ${styleText('dim', `${finding.check} · confidence ${Math.round(confidence.level * 100)} % (${confidence.basis})${explains.kpis[0] ? ` · KPI ${explains.kpis.join(', ')}` : ''}`)}`,
  );
  if (explains.traces[0]) lines.push(`     ${styleText('dim', `trace ${explains.traces[0]}`)}`);
  if (fix) {
    lines.push(wrap(`Fix: ${fix.summary}. ${fix.expectedEffect}.`, columns, '     '));
    for (const sql of fixSql(fix).sql.slice(0, verbose ? undefined : 3))
      lines.push(`       ${styleText('cyan', `${sql};`)}`);
    for (const command of commandsOf(fix)) lines.push(`       ${styleText('cyan', command)}`);
    for (const caveat of fix.caveats ?? []) lines.push(wrap(`Note: ${caveat}.`, columns, '       '));
    if (verbose && fix.lock) lines.push(wrap(`Lock: ${fix.lock}. Risk: ${fix.risk}`, columns, '       '));
  }
  if (verbose)
    for (const { label, value, unit, how } of finding.evidence) {
      lines.push(
        `       ${label}: ${typeof value === 'number' ? (count(value) === '0' ? value : value.toLocaleString('en')) : value}${unit && unit !== '1' ? ` ${unit}` : ''}`,
      );
      lines.push(`         ${styleText('dim', how)}`);
    }
  return lines.join('\n');
}

/** A statement that takes less of the database time is not shown. */
export const SMALLEST_UNEXPLAINED = 0.02;
const MAX_UNEXPLAINED = 3;

/** What of the database time no finding explains, with the statements that take most of it. */
function unexplainedText({ attribution }: Diagnosis, columns: number, verbose: boolean): string[] {
  if (!attribution) return [];
  const { unexplainedShare } = attribution;
  if (unexplainedShare < SMALLEST_UNEXPLAINED)
    return [`Findings explain ${percent(1 - unexplainedShare)} of the database time.`];
  const shown = unexplained(attribution, SMALLEST_UNEXPLAINED);
  return [
    `${styleText('bold', `No finding explains ${percent(unexplainedShare)} of the database time.`)}${shown.length > 0 ? ' It goes into:' : ' It goes into many statements.'}`,
    ...shown
      .slice(0, verbose ? undefined : MAX_UNEXPLAINED)
      .map(({ share, calls, meanMs, text }) =>
        wrap(
          `${percent(share)}: ${shortly(text, 160)} (${count(calls)} calls of ${meanMs >= 10 ? count(meanMs) : meanMs.toFixed(2)} ms)`,
          columns,
          '  ',
        ),
      ),
  ];
}

/** The diagnosis for a terminal. `info` findings are counted only, unless `verbose`. */
export function toText(
  diagnosis: Diagnosis,
  { columns, verbose }: { columns: number; verbose: boolean },
): string {
  const { findings, server, ownLoad } = diagnosis;
  const shown = verbose ? findings : findings.filter(({ severity }) => severity !== 'info');
  const hidden = findings.length - shown.length;
  const version = `${Math.floor(server.version / 10_000)}.${server.version % 10_000}`;
  const out = [
    `${styleText('bold', diagnosis.target)}  Postgres ${version}${server.isReplica ? ', replica' : ''}, ${count(diagnosis.tables)} tables, ${bytesText(diagnosis.bytes)}`,
  ];
  if (diagnosis.partial) out.push(styleText('yellow', 'Partial: not everything could be looked at.'));
  out.push(...notesOf(diagnosis).map((note) => wrap(note, columns, '  ')));
  if (diagnosis.msPerSecond !== null)
    out.push(
      `Workload of ${count(diagnosis.windowSeconds ?? 0)} s: ${count(diagnosis.msPerSecond)} ms of database time a second.`,
      ...unexplainedText(diagnosis, columns, verbose),
    );
  out.push('', ...shown.map((finding) => `${one(finding, columns, verbose)}\n`));
  if (shown.length === 0) out.push('Nothing to warn of.', '');
  const tree = causeTree(diagnosis);
  if (tree.length > 0) {
    out.push(styleText('bold', 'From KPI to cause'));
    for (const { name, symptoms } of tree) {
      out.push(`  ${name}`);
      for (const { table, findings: causes } of symptoms)
        out.push(`    ${table}: ${[...new Set(causes.map(({ check }) => check))].join(', ')}`);
    }
    out.push('');
  }
  if (diagnosis.blind.length > 0) {
    out.push(styleText('bold', 'Not seen'));
    for (const { what, remedy } of diagnosis.blind) out.push(wrap(`${what}. ${remedy}`, columns, '  '));
    out.push('');
  }
  const by = (severity: string) => findings.filter((finding) => finding.severity === severity).length;
  out.push(
    `${by('critical')} critical, ${by('warning')} warnings, ${by('info')} for information${hidden > 0 ? ' (--verbose shows them, with all evidence)' : ''}.`,
    `The diagnosis took ${diagnosis.seconds.toFixed(1)} s; its ${count(ownLoad.statements)} statements kept one connection busy for ${(ownLoad.busyMs / 1000).toFixed(1)} s. It changed nothing.`,
  );
  return `${out.join('\n')}\n`;
}
