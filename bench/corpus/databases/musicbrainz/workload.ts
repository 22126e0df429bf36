import type { Statement } from '../../corpusDatabase.ts';

const artist =
  'artist.id, artist.gid, artist.name COLLATE musicbrainz AS name, artist.sort_name COLLATE musicbrainz AS sort_name, artist.type AS type_id, artist.area, artist.begin_area, artist.end_area, gender, artist.edits_pending, artist.comment, artist.last_updated, artist.begin_date_year, artist.end_date_year, artist.ended';

export const workload: Statement[] = [
  {
    from: 'Data::Artist get_by_ids',
    text: `SELECT ${artist} FROM artist WHERE artist.id = ANY($1)`,
    calls: 2000,
    values: (r) => [[r.zipf(30_000), r.zipf(30_000)]],
  },
  {
    from: 'Data::ArtistCredit get_by_ids',
    text: 'SELECT artist_credit, position, artist, artist_credit_name.name, join_phrase FROM artist_credit_name WHERE artist_credit = ANY($1) ORDER BY artist_credit, position',
    calls: 1500,
    values: (r) => [Array.from({ length: 10 }, () => r.zipf(35_000))],
  },
  {
    from: 'Data::Recording find_by_artist',
    text: 'SELECT DISTINCT ON (recording.name COLLATE musicbrainz, recording.comment, recording.id) recording.id, recording.gid, recording.name, recording.length FROM recording JOIN artist_credit ON recording.artist_credit = artist_credit.id JOIN artist_credit_name acn ON acn.artist_credit = artist_credit.id WHERE acn.artist = $1 ORDER BY recording.name COLLATE musicbrainz, recording.comment, recording.id LIMIT $2 OFFSET $3',
    calls: 250,
    values: (r) => [r.zipf(30_000), 100, 0],
  },
  {
    from: 'Data::Track load_for_mediums',
    text: 'SELECT track.id, track.gid, track.name, track.medium, track.recording, track.number, track.position, track.length, track.artist_credit FROM track WHERE medium = ANY($1) ORDER BY medium, position',
    calls: 600,
    values: (r) => [[r.any(45_000)]],
  },
  {
    from: 'Data::ReleaseLabel load',
    text: 'SELECT rl.id AS rl_id, rl.release, rl.catalog_number, rl.label FROM release_label rl WHERE rl.release = ANY($1) ORDER BY rl.release, rl.catalog_number',
    calls: 400,
    values: (r) => [[r.any(40_000), r.any(40_000)]],
  },
  {
    from: 'Data::Vote load_for_edits',
    text: 'SELECT id, editor, edit, vote_time, vote, superseded FROM vote WHERE edit = ANY($1) ORDER BY vote_time',
    calls: 300,
    values: (r) => [Array.from({ length: 5 }, () => r.any(60_000))],
  },
  {
    from: 'Data::Edit find: history of edits',
    text: 'SELECT edit.id, edit.editor, edit.open_time, edit.expire_time, edit.close_time, edit.type, edit.status, edit.autoedit, edit.quality FROM edit ORDER BY id DESC LIMIT $1 OFFSET $2',
    calls: 80,
    values: (r) => [25, 25 * r.any(2300)],
  },
  {
    from: 'Data::Edit, open edits',
    text: 'SELECT edit.id, edit.editor, edit.type FROM edit WHERE edit.status = 1 ORDER BY edit.id LIMIT 500',
    calls: 100,
  },
  {
    from: 'Data::Edit, of an artist',
    text: 'SELECT edit.id, edit.editor, edit.type, edit.status FROM edit JOIN edit_artist ON edit_artist.edit = edit.id WHERE edit_artist.artist = $1 ORDER BY edit.id DESC LIMIT 50',
    calls: 200,
    values: (r) => [r.zipf(30_000)],
  },
  {
    from: 'Statistics, edits of the last day (BRIN)',
    text: `SELECT count(edit.id) AS count FROM edit WHERE edit.open_time >= now() - interval '1 day'`,
    calls: 60,
  },
  {
    from: 'Data::Tag get_cloud',
    text: 'SELECT tag.name, tag.id, tag.ref_count FROM tag WHERE tag.ref_count > 0 ORDER BY tag.ref_count DESC LIMIT $1',
    calls: 150,
    values: () => [100],
  },
  {
    from: 'Data::ArtistTag find_top_tags',
    text: 'SELECT tag.id, tag.name, artist_tag.count FROM artist_tag JOIN tag ON tag.id = artist_tag.tag WHERE artist_tag.artist = $1 AND artist_tag.count > 0 ORDER BY artist_tag.count DESC, tag.name LIMIT $2',
    calls: 400,
    values: (r) => [r.any(30_000), 10],
  },
  {
    from: 'Data::Editor find_by_email',
    text: 'SELECT editor.id, editor.name, editor.email, editor.privs FROM editor WHERE editor.email = $1',
    calls: 300,
    values: (r) => [`${r.word()}${r.any(20_000)}@${r.word()}.example`],
  },
  {
    from: 'Data::Artist search_by_names',
    text: `SELECT ${artist} FROM artist WHERE lower(musicbrainz_unaccent(artist.name)) = lower(musicbrainz_unaccent($1)) LIMIT 10`,
    calls: 300,
    values: (r) => [`${r.word()} ${r.word()} ${r.word()} ${r.any(30_000)}`],
  },
  {
    from: 'Data::ReleaseGroup by a secondary type (planted column)',
    text: `SELECT id, name FROM release_group WHERE secondary_type_names LIKE '%' || $1::text || '%' ORDER BY id LIMIT $2`,
    calls: 60,
    values: (r) => [r.pick('Live', 'Remix', 'Soundtrack', 'Audiobook'), 50],
  },
  {
    from: 'Data::Relationship of an artist',
    text: 'SELECT l.id, l.link, l.entity0, l.entity1, l.entity0_credit, l.entity1_credit, l.link_order FROM l_artist_recording l JOIN link ON l.link = link.id WHERE l.entity0 = $1 ORDER BY l.link_order LIMIT 100',
    calls: 300,
    values: (r) => [r.any(30_000)],
  },
  {
    from: 'Data::Release by barcode',
    text: 'SELECT id, gid, name FROM release WHERE barcode = $1',
    calls: 150,
    values: (r) => [String(r.any(1e12)).padStart(13, '0')],
  },
];
