import type { Statement } from '../../corpusDatabase.ts';
import { md5, uuidOf } from '../../random.ts';
import { columns } from '../prisma.ts';

const envelope = columns(
  'Envelope',
  'id',
  'secondaryId',
  'externalId',
  'type',
  'createdAt',
  'updatedAt',
  'completedAt',
  'deletedAt',
  'title',
  'status',
  'source',
  'visibility',
  'userId',
  'teamId',
  'folderId',
  'documentMetaId',
);
const recipient = columns(
  'Recipient',
  'id',
  'email',
  'name',
  'token',
  'readStatus',
  'signingStatus',
  'sendStatus',
  'signedAt',
  'role',
  'signingOrder',
  'envelopeId',
);
const id = (n: number) => `envelope_${md5(String(n)).slice(0, 16)}`;

export const workload: Statement[] = [
  {
    from: 'prisma.envelope.findUnique',
    text: `SELECT ${envelope} FROM "public"."Envelope" WHERE ("public"."Envelope"."id" = $1 AND 1=1) LIMIT $2 OFFSET $3`,
    calls: 1500,
    values: (r) => [id(r.zipf(40_000)), 1, 0],
  },
  {
    from: 'recipients of an envelope (include)',
    text: `SELECT ${recipient} FROM "public"."Recipient" WHERE "public"."Recipient"."envelopeId" IN ($1) OFFSET $2`,
    calls: 1000,
    values: (r) => [id(r.any(40_000)), 0],
  },
  {
    from: 'getRecipientByToken, the page that is signed',
    text: `SELECT ${recipient} FROM "public"."Recipient" WHERE "public"."Recipient"."token" = $1 LIMIT $2 OFFSET $3`,
    calls: 300,
    values: (r) => [md5(`recipient${r.any(80_000)}`), 1, 0],
  },
  {
    from: 'fields of an envelope (include)',
    text: `SELECT ${columns('Field', 'id', 'secondaryId', 'recipientId', 'type', 'page', 'positionX', 'positionY', 'width', 'height', 'customText', 'inserted', 'envelopeId')} FROM "public"."Field" WHERE "public"."Field"."envelopeId" IN ($1) OFFSET $2`,
    calls: 300,
    values: (r) => [id(r.any(40_000)), 0],
  },
  {
    from: 'findDocuments, a later page of a team',
    text: `SELECT ${envelope} FROM "public"."Envelope" WHERE ("public"."Envelope"."type" = CAST($1::text AS "public"."EnvelopeType") AND "public"."Envelope"."teamId" = $2 AND "public"."Envelope"."deletedAt" IS NULL) ORDER BY "public"."Envelope"."createdAt" DESC LIMIT $3 OFFSET $4`,
    calls: 150,
    values: (r) => ['DOCUMENT', r.any(2), 20, 20 * r.any(60)],
  },
  {
    from: 'findDocuments, the count of the pages',
    text: `SELECT COUNT(*) FROM (SELECT "public"."Envelope"."id" FROM "public"."Envelope" WHERE ("public"."Envelope"."type" = CAST($1::text AS "public"."EnvelopeType") AND "public"."Envelope"."deletedAt" IS NULL) OFFSET $2) AS "sub"`,
    calls: 150,
    values: () => ['DOCUMENT', 0],
  },
  {
    from: 'searchDocumentsWithKeyword (contains, insensitive)',
    text: `SELECT ${envelope} FROM "public"."Envelope" WHERE ("public"."Envelope"."title"::text ILIKE $1 AND "public"."Envelope"."deletedAt" IS NULL) ORDER BY "public"."Envelope"."createdAt" DESC LIMIT $2 OFFSET $3`,
    calls: 100,
    values: (r) => [`%${r.word()} ${r.word()}%`, 20, 0],
  },
  {
    from: 'find-document-audit-logs',
    text: `SELECT ${columns('DocumentAuditLog', 'id', 'envelopeId', 'createdAt', 'type', 'data', 'name', 'email', 'userId')} FROM "public"."DocumentAuditLog" WHERE "public"."DocumentAuditLog"."envelopeId" = $1 ORDER BY "public"."DocumentAuditLog"."createdAt" DESC LIMIT $2 OFFSET $3`,
    calls: 500,
    values: (r) => [id(r.any(40_000)), 50, 0],
  },
  {
    from: 'prisma.documentAuditLog.create',
    text: `INSERT INTO "public"."DocumentAuditLog" ("id","createdAt","type","data","email","envelopeId") VALUES ($1,$2,$3,$4,$5,$6) RETURNING "public"."DocumentAuditLog"."id"`,
    calls: 500,
    values: (r) => [
      `log_${r.fresh()}`,
      new Date(),
      'DOCUMENT_OPENED',
      '{}',
      'a@b.example',
      id(r.any(40_000)),
    ],
  },
  {
    from: 'findUserSecurityAuditLogs',
    text: `SELECT ${columns('UserSecurityAuditLog', 'id', 'userId', 'createdAt', 'type', 'userAgent', 'ipAddress')} FROM "public"."UserSecurityAuditLog" WHERE "public"."UserSecurityAuditLog"."userId" = $1 ORDER BY "public"."UserSecurityAuditLog"."createdAt" DESC LIMIT $2 OFFSET $3`,
    calls: 250,
    values: (r) => [r.any(5_000), 10, 0],
  },
  {
    from: 'findWebhookCalls',
    text: `SELECT ${columns('WebhookCall', 'id', 'status', 'url', 'event', 'requestBody', 'responseCode', 'createdAt', 'webhookId')} FROM "public"."WebhookCall" WHERE "public"."WebhookCall"."webhookId" = $1 ORDER BY "public"."WebhookCall"."createdAt" DESC LIMIT $2 OFFSET $3`,
    calls: 200,
    values: (r) => [uuidOf('Webhook', 10 + r.any(50)), 20, 0],
  },
  {
    from: 'validateSessionToken, on every request',
    text: `SELECT ${columns('Session', 'id', 'sessionToken', 'userId', 'expiresAt')} FROM "public"."Session" WHERE ("public"."Session"."sessionToken" = $1 AND 1=1) LIMIT $2 OFFSET $3`,
    calls: 1500,
    values: (r) => [md5(`session${r.any(30_000)}`), 1, 0],
  },
  {
    from: 'envelopes with a label (planted column)',
    text: `SELECT ${envelope} FROM "public"."Envelope" WHERE "public"."Envelope"."labelNames" LIKE '%' || $1::text || '%' ORDER BY "public"."Envelope"."createdAt" DESC LIMIT $2 OFFSET $3`,
    calls: 60,
    values: (r) => [r.pick('nda', 'invoice', 'lease'), 20, 0],
  },
  {
    from: 'prisma.recipient.update when it is opened',
    text: `UPDATE "public"."Recipient" SET "readStatus" = CAST($1::text AS "public"."ReadStatus") WHERE ("public"."Recipient"."id" = $2 AND 1=1)`,
    calls: 300,
    values: (r) => ['OPENED', r.any(80_000)],
  },
];
