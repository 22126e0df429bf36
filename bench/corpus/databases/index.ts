import type { CorpusDatabase } from '../corpusDatabase.ts';
import { database as danbooru } from './danbooru/database.ts';
import { database as killbill } from './killbill/database.ts';
import { database as openstreetmapWebsite } from './openstreetmap-website/database.ts';
import { database as thingsboard } from './thingsboard/database.ts';

export const databases: CorpusDatabase[] = [danbooru, killbill, openstreetmapWebsite, thingsboard];
