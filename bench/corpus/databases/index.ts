import type { CorpusDatabase } from '../corpusDatabase.ts';
import { database as cratesIo } from './crates-io/database.ts';
import { database as danbooru } from './danbooru/database.ts';
import { database as documenso } from './documenso/database.ts';
import { database as formbricks } from './formbricks/database.ts';
import { database as killbill } from './killbill/database.ts';
import { database as lago } from './lago/database.ts';
import { database as lemmy } from './lemmy/database.ts';
import { database as mastodon } from './mastodon/database.ts';
import { database as musicbrainz } from './musicbrainz/database.ts';
import { database as omopCdm } from './omop-cdm/database.ts';
import { database as openstreetmapWebsite } from './openstreetmap-website/database.ts';
import { database as penpot } from './penpot/database.ts';
import { database as synapse } from './synapse/database.ts';
import { database as thingsboard } from './thingsboard/database.ts';
import { database as umami } from './umami/database.ts';

export const databases: CorpusDatabase[] = [
  cratesIo,
  danbooru,
  documenso,
  formbricks,
  killbill,
  lago,
  lemmy,
  mastodon,
  musicbrainz,
  omopCdm,
  openstreetmapWebsite,
  penpot,
  synapse,
  thingsboard,
  umami,
];
