import type { Truth } from '../../corpusDatabase.ts';
import { prefix } from '../causes.ts';

export const truth: Truth = {
  planted: [
    {
      check: 'missing-index',
      or: ['foreign-key-without-index'],
      table: 'release_label',
      columns: ['release'],
      why: 'dropped: each release reads all labels of releases',
    },
    {
      check: 'missing-index',
      or: ['foreign-key-without-index'],
      table: 'vote',
      columns: ['edit'],
      why: 'dropped: the votes of an edit',
    },
    { check: 'missing-primary-key', table: 'artist_tag', why: 'the key was dropped' },
    {
      check: 'missing-index',
      or: ['foreign-key-without-index'],
      table: 'artist_tag',
      columns: ['artist'],
      why: 'went with the key: the tags of an artist',
    },
    {
      check: 'list-in-column',
      or: ['leading-wildcard'],
      table: 'release_group',
      columns: ['secondary_type_names'],
      why: 'names with commas between them, searched by pattern',
    },
    {
      check: 'missing-foreign-key',
      table: 'release_label',
      columns: ['label'],
      why: 'the key was dropped, and 4 % of the labels are not there',
    },
  ],
  natural: [
    {
      check: 'missing-index',
      table: 'tag',
      columns: ['ref_count'],
      why: 'the cloud sorts all tags for a hundred',
    },
    {
      check: 'missing-index',
      table: 'editor',
      columns: ['email'],
      why: 'editors are found by e-mail, and only the name has an index',
    },
    {
      check: 'missing-index',
      table: 'release',
      columns: ['barcode'],
      why: 'releases are found by barcode, and it has no index',
    },
    { check: 'offset-paging', table: 'edit', why: 'the history of edits pages by OFFSET' },
    prefix('isrc', 'isrc', '(isrc) beside (isrc, recording)'),
  ],
  accepted: [
    {
      checks: ['duplicate-index'],
      table: 'medium_cdtoc',
      columns: ['medium'],
      why: '(medium) beside (medium, cdtoc): true, and small',
    },
    {
      checks: ['duplicate-index'],
      why: 'the schema has more such pairs on tables that are empty or small here',
    },
    { checks: ['foreign-key-without-index'], why: 'no parent is deleted in this workload' },
    { checks: ['cold-data'], table: 'edit_data', why: 'not read in this workload' },
    { checks: ['cold-data'], table: 'edit_note', why: 'not read in this workload' },
    { checks: ['cold-data'], table: 'vote', why: 'votes on closed edits' },
    {
      checks: ['missing-foreign-key'],
      why: 'some references are not declared; rows without a parent only in release_label',
    },
    { checks: ['leading-wildcard'], table: 'release_group', why: 'what the list leads to' },
    { checks: ['weak-type'], why: 'char(n) in the schema: for information' },
  ],
  traps: [
    {
      checks: ['typed-as-text'],
      table: 'track',
      columns: ['number'],
      why: 'A1 and B2 are numbers of tracks too',
    },
    { checks: ['typed-as-text'], table: 'release', columns: ['barcode'], why: 'a code, with zeros in front' },
    { checks: ['typed-as-text'], table: 'isrc', why: 'a code' },
    {
      checks: ['missing-index', 'aggregate-at-request-time', 'counts-everything'],
      table: 'edit',
      columns: ['open_time'],
      why: 'a BRIN index serves the last day',
    },
    { checks: ['cold-data'], table: 'recording', why: 'an encyclopedia: nothing is too old' },
    { checks: ['cold-data'], table: 'artist', why: 'the same' },
    { checks: ['cold-data'], table: 'edit', why: 'the history is shown' },
    {
      checks: ['cast-defeats-index', 'missing-index'],
      table: 'artist',
      columns: ['name'],
      why: 'the expression has an index',
    },
    {
      checks: ['duplicate-index'],
      columns: ['name'],
      why: 'two collations, or a condition: artists, releases, groups and recordings',
    },
    { checks: ['functional-dependency'], table: 'artist', why: 'the sort name is written by hand' },
    { checks: ['offset-paging'], table: 'recording', why: 'always the first page here' },
  ],
};
