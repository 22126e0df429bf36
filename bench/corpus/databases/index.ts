import type { CorpusDatabase } from '../corpusDatabase.ts';
import { database as danbooru } from './danbooru/database.ts';

export const databases: CorpusDatabase[] = [danbooru];
