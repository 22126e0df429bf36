import type { CorpusDatabase } from '../../corpusDatabase.ts';
import { oneOf } from '../../oneOf.ts';
import { orphans } from '../../plants.ts';
import { truth } from './truth.ts';
import { workload } from './workload.ts';

export const database: CorpusDatabase = {
  name: 'formbricks',
  about: 'surveys; Prisma; keys are text; attributes of contacts as entity, attribute, value',
  source: {
    repository: 'formbricks/formbricks',
    commit: 'b66c1dd978af618a0e402bd3343b456bed68594c',
    files: ['packages/database/migration/*/migration.sql'],
    sha256: '83e1d0cc86bc330faeeeea3b2a553966156e87982bd9abe91998fe0ed9937037',
    // pgvector is not on this server; a table that was dropped since had a vector.
    replace: [
      [/CREATE EXTENSION IF NOT EXISTS "vector";/g, ''],
      [/vector\(\d+\)/g, 'real[]'],
    ],
  },
  filling: {
    days: 600,
    rows: {
      Organization: 10,
      Workspace: 20,
      User: 1_000,
      Survey: 60,
      Contact: 30_000,
      ContactAttributeKey: 12,
      ContactAttribute: 120_000,
      Display: 80_000,
      Response: 60_000,
      Tag: 60,
      TagsOnResponses: 50_000,
      ActionClass: 100,
      Webhook: 40,
    },
    columns: {
      '*.id': '{uuid}',
      '*.workspaceId': '{ref:Workspace.id}',
      'Workspace.legacyEnvironmentId': 'NULL',
      'Workspace.name': "'workspace ' || {i}",
      'Survey.segmentId': 'NULL',
      'Survey.createdBy': '{ref:User.id}',
      'Survey.slug': 'NULL',
      'Survey.archivedAt': 'NULL',
      'Tag.name': '{word} || {i}',
      'ContactAttributeKey.key':
        "(ARRAY['email','userId','firstName','lastName','plan','seats','signedUpOn','country','language','industry','source','score'])[{i}]",
      'ContactAttributeKey.workspaceId': '{ref:Workspace.id}',
      'ContactAttributeKey.dataType':
        "(ARRAY['string','string','string','string','string','number','date','string','string','string','string','number'])[{i}]::\"ContactAttributeDataType\"",
      'ContactAttribute.contactId': '{ref:Contact.id}',
      'ContactAttribute.value': "{word:a} || ' ' || {word:b}",
      'ContactAttribute.valueNumber': 'CASE WHEN {i} % 3 = 0 THEN round(({u} * 100)::numeric, 1) END',
      'ContactAttribute.valueDate': 'CASE WHEN {i} % 3 = 1 THEN {at} END',
      'Response.displayId': 'NULL',
      'Response.singleUseId': 'NULL',
      'Response.contactAttributes': "jsonb_build_object('plan', {word})",
      'Response.data': "jsonb_build_object('q1', floor({u} * 10), 'q2', {sentence})",
      'Response.endingId': 'NULL',
      'Response.language': oneOf(['en', 'de', 'default'], 'power({u}, 2)'),
      'Webhook.triggers': "'{}'",
      'Webhook.surveyIds': "'{}'",
      'ActionClass.key': "'key' || {i}",
      'ActionClass.name': "'action ' || {i}",
      'User.groupId': 'NULL',
      'User.backupCodes': 'NULL',
      'User.twoFactorSecret': 'NULL',
    },
    plant: `
      DROP INDEX "Display_contactId_created_at_idx", "Response_contactId_created_at_idx";
      CREATE INDEX "ContactAttribute_contactId_idx" ON "ContactAttribute" ("contactId");
      CREATE POLICY own_workspace ON "Contact" USING (true);
      ALTER TABLE "Survey" ADD COLUMN "languageCodes" text;
      ALTER TABLE "Contact" ADD COLUMN "surveysSeen" text;
      UPDATE "Contact" SET "surveysSeen" = (SELECT string_agg('s' || (1 + (hashtext(id) & 1023) * k % 60), '|') FROM generate_series(1, 2 + (hashtext(id) & 3)) AS k);
      ${orphans('"Display"', '"surveyId"', 0.03, '\'gone\' || "surveyId"')}`,
  },
  workload,
  truth,
};
