import { allChecks } from '../checks/index.ts';
import { type Diagnosis, notesOf } from '../diagnosis.ts';
import { fixSql } from '../fixSql.ts';
import { commandsOf } from '../operationCommand.ts';
import { costText } from './text.ts';

const levels = { critical: 'error', warning: 'warning', info: 'note' } as const;

/** SARIF 2.1.0, so that code review tools show the findings. A table is a logical location. */
export function toSarif(diagnosis: Diagnosis): object {
  return {
    $schema: 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: {
            name: 'sqltrail',
            informationUri: 'https://opentelemetry.io/docs/specs/semconv/database/',
            rules: allChecks.map(({ id, title, description }) => ({
              id,
              shortDescription: { text: title },
              fullDescription: { text: description },
            })),
          },
        },
        invocations: [
          {
            executionSuccessful: !diagnosis.partial,
            startTimeUtc: diagnosis.startedAt,
            toolExecutionNotifications: notesOf(diagnosis).map((text) => ({
              level: 'warning',
              message: { text },
            })),
          },
        ],
        results: diagnosis.findings.map((finding) => ({
          ruleId: finding.check,
          level: levels[finding.severity],
          rank: Math.round((finding.shareOfLostTime ?? 0) * 1000) / 10,
          message: {
            text: [
              finding.title,
              finding.explanation,
              costText(finding.cost),
              finding.fix && fixSql(finding.fix).sql.join(';\n'),
              ...commandsOf(finding.fix),
              ...(finding.fix?.caveats ?? []),
            ]
              .filter(Boolean)
              .join('\n'),
          },
          partialFingerprints: { findingId: finding.id },
          locations: finding.objects.map(({ schema, table, columns, index }) => ({
            logicalLocations: [
              {
                fullyQualifiedName: [schema, table, index ?? columns?.join(',')].filter(Boolean).join('.'),
                kind: index ? 'index' : 'table',
              },
            ],
          })),
        })),
      },
    ],
  };
}
