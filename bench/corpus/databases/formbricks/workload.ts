import type { Statement } from '../../corpusDatabase.ts';
import { uuidOf } from '../../random.ts';
import { columns } from '../prisma.ts';

const response = columns(
  'Response',
  'id',
  'created_at',
  'updated_at',
  'finished',
  'surveyId',
  'contactId',
  'data',
  'meta',
  'contactAttributes',
  'language',
  'variables',
  'ttc',
);
const contact = columns('Contact', 'id', 'created_at', 'updated_at', 'workspaceId');

export const workload: Statement[] = [
  {
    from: 'prisma.survey.findUnique',
    text: `SELECT ${columns('Survey', 'id', 'name', 'status', 'questions', 'workspaceId', 'welcomeCard', 'endings')} FROM "public"."Survey" WHERE ("public"."Survey"."id" = $1 AND 1=1) LIMIT $2 OFFSET $3`,
    calls: 1500,
    values: (r) => [uuidOf('Survey', r.zipf(60)), 1, 0],
  },
  {
    from: 'getResponses, a page of a survey',
    text: `SELECT ${response} FROM "public"."Response" WHERE "public"."Response"."surveyId" = $1 ORDER BY "public"."Response"."created_at" DESC LIMIT $2 OFFSET $3`,
    calls: 150,
    values: (r) => [uuidOf('Survey', r.any(3)), 25, 25 * r.any(150)],
  },
  {
    from: 'getResponseCountBySurveyId',
    text: `SELECT COUNT(*) FROM (SELECT "public"."Response"."id" FROM "public"."Response" WHERE "public"."Response"."surveyId" = $1 OFFSET $2) AS "sub"`,
    calls: 300,
    values: (r) => [uuidOf('Survey', r.any(3)), 0],
  },
  {
    from: 'tags: how many responses have each (include)',
    text: `SELECT COUNT(*) FROM (SELECT "public"."TagsOnResponses"."responseId", "public"."TagsOnResponses"."tagId" FROM "public"."TagsOnResponses" WHERE "public"."TagsOnResponses"."tagId" = $1 OFFSET $2) AS "sub"`,
    calls: 300,
    values: (r) => [uuidOf('Tag', r.any(60)), 0],
  },
  {
    from: 'getDisplaysByContactId',
    text: `SELECT ${columns('Display', 'id', 'created_at', 'surveyId', 'contactId')} FROM "public"."Display" WHERE "public"."Display"."contactId" = $1 ORDER BY "public"."Display"."created_at" DESC OFFSET $2`,
    calls: 300,
    values: (r) => [uuidOf('Contact', r.any(30_000)), 0],
  },
  {
    from: 'getResponsesByContactId',
    text: `SELECT ${response} FROM "public"."Response" WHERE "public"."Response"."contactId" = $1 ORDER BY "public"."Response"."created_at" DESC OFFSET $2`,
    calls: 250,
    values: (r) => [uuidOf('Contact', r.any(30_000)), 0],
  },
  {
    from: 'getContacts with a search (contains, insensitive)',
    text: `SELECT ${contact} FROM "public"."Contact" WHERE ("public"."Contact"."id") IN (SELECT "t1"."contactId" FROM "public"."ContactAttribute" AS "t1" WHERE ("t1"."value"::text ILIKE $1 AND "t1"."contactId" IS NOT NULL)) ORDER BY "public"."Contact"."created_at" DESC LIMIT $2 OFFSET $3`,
    calls: 60,
    values: (r) => [`%${r.word()} ${r.word()}%`, 20, 0],
  },
  {
    from: 'getContacts, a later page',
    text: `SELECT ${contact} FROM "public"."Contact" WHERE "public"."Contact"."workspaceId" = $1 ORDER BY "public"."Contact"."created_at" DESC LIMIT $2 OFFSET $3`,
    calls: 120,
    values: (r) => [uuidOf('Workspace', r.any(2)), 20, 20 * r.any(200)],
  },
  {
    from: 'contact attributes of a page of contacts (include)',
    text: `SELECT ${columns('ContactAttribute', 'id', 'attributeKeyId', 'contactId', 'value')} FROM "public"."ContactAttribute" WHERE "public"."ContactAttribute"."contactId" IN ($1, $2, $3, $4, $5) OFFSET $6`,
    calls: 500,
    values: (r) => [...Array.from({ length: 5 }, () => uuidOf('Contact', r.any(30_000))), 0],
  },
  {
    from: 'getContactByUserId: by an attribute',
    text: `SELECT "t1"."contactId" FROM "public"."ContactAttribute" AS "t1" WHERE ("t1"."attributeKeyId" = $1 AND "t1"."value" = $2) LIMIT $3 OFFSET $4`,
    calls: 500,
    values: (r) => [uuidOf('ContactAttributeKey', 2), `${r.word()} ${r.word()}`, 1, 0],
  },
  {
    from: 'prisma.display.create',
    text: `INSERT INTO "public"."Display" ("id","created_at","updated_at","surveyId","contactId") VALUES ($1,$2,$3,$4,$5) RETURNING "public"."Display"."id"`,
    calls: 600,
    values: (r) => [
      uuidOf('shown', r.fresh()),
      new Date(),
      new Date(),
      uuidOf('Survey', r.zipf(60)),
      uuidOf('Contact', r.any(30_000)),
    ],
  },
  {
    from: 'prisma.user.findUnique at sign-in',
    text: `SELECT ${columns('User', 'id', 'name', 'email', 'locale')} FROM "public"."User" WHERE ("public"."User"."email" = $1 AND 1=1) LIMIT $2 OFFSET $3`,
    calls: 300,
    values: (r) => [`${r.word()}${r.any(1000)}@${r.word()}.example`, 1, 0],
  },
  {
    from: 'contacts who saw a survey (planted column)',
    text: `SELECT ${contact} FROM "public"."Contact" WHERE '|' || "public"."Contact"."surveysSeen" || '|' LIKE '%|' || $1::text || '|%' LIMIT $2 OFFSET $3`,
    calls: 60,
    values: (r) => [`s${40 + r.any(30)}`, 500, 0],
  },
  {
    from: 'tag removed by a member',
    text: `DELETE FROM "public"."Tag" WHERE ("public"."Tag"."id" = $1 AND 1=1)`,
    calls: 5,
    values: (r) => [uuidOf('Tag', 30 + r.any(30))],
  },
];
