import type { Statement } from '../../corpusDatabase.ts';

const day = (date: Date) => date.toISOString().slice(0, 10);

export const workload: Statement[] = [
  {
    from: 'WebAPI PersonService',
    text: 'select p.person_id, p.year_of_birth, p.gender_concept_id, c.concept_name as gender from cdm.person p join cdm.concept c on p.gender_concept_id = c.concept_id where p.person_id = $1',
    calls: 1500,
    values: (r) => [r.any(20_000)],
  },
  {
    from: 'WebAPI PersonService: conditions of the profile',
    text: 'select co.condition_occurrence_id, co.condition_start_date, c.concept_name from cdm.condition_occurrence co join cdm.concept c on co.condition_concept_id = c.concept_id where co.person_id = $1',
    calls: 600,
    values: (r) => [r.any(20_000)],
  },
  {
    from: 'WebAPI PersonService: measurements of the profile',
    text: 'select m.measurement_id, m.measurement_date, m.value_as_number, c.concept_name from cdm.measurement m join cdm.concept c on m.measurement_concept_id = c.concept_id where m.person_id = $1',
    calls: 250,
    values: (r) => [r.any(20_000)],
  },
  {
    from: 'WebAPI PersonService: drugs of the profile',
    text: 'select d.drug_exposure_id, d.drug_exposure_start_date, c.concept_name from cdm.drug_exposure d join cdm.concept c on d.drug_concept_id = c.concept_id where d.person_id = $1',
    calls: 600,
    values: (r) => [r.any(20_000)],
  },
  {
    from: 'WebAPI VocabularyService search',
    text: `select concept_id, concept_name, standard_concept, invalid_reason, concept_code, concept_class_id, domain_id, vocabulary_id from cdm.concept where (lower(concept_name) like $1 or lower(concept_code) like $1) order by concept_name asc limit $2`,
    calls: 120,
    values: (r) => [`%${r.word()} ${r.word()}%`, 1000],
  },
  {
    from: 'WebAPI VocabularyService descendants',
    text: 'select c.concept_id, c.concept_name, ca.min_levels_of_separation from cdm.concept_ancestor ca join cdm.concept c on c.concept_id = ca.descendant_concept_id where ca.ancestor_concept_id = $1',
    calls: 400,
    values: (r) => [r.any(40_000)],
  },
  {
    from: 'circe: primary events of a cohort of a rare condition',
    text: 'select co.person_id, min(co.condition_start_date) as start_date from cdm.condition_occurrence co where co.condition_concept_id in (select descendant_concept_id from cdm.concept_ancestor where ancestor_concept_id = $1) group by co.person_id',
    calls: 200,
    values: (r) => [30_000 + r.any(10_000)],
  },
  {
    from: 'Achilles 400: persons with a condition, by condition',
    text: 'select co.condition_concept_id as stratum_1, count(distinct co.person_id) as count_value from cdm.condition_occurrence co group by co.condition_concept_id',
    calls: 12,
  },
  {
    from: 'ETL: conditions by their code at the source',
    text: 'select condition_occurrence_id, person_id, condition_start_date from cdm.condition_occurrence where condition_source_value = $1',
    calls: 250,
    values: (r) => [
      `${String.fromCharCode(64 + r.any(26))}${String(r.any(98)).padStart(2, '0')}.${r.any(8)}`,
    ],
  },
  {
    from: 'report of a hospital: visits of a site in a week',
    text: 'select v.visit_occurrence_id, v.person_id, v.visit_start_date from cdm.visit_occurrence v where v.care_site_id = $1 and v.visit_start_date between $2 and $3',
    calls: 250,
    values: (r) => {
      const start = r.within(1000);
      return [50 + r.any(250), day(start), day(new Date(start.getTime() + 7 * 86_400_000))];
    },
  },
  {
    from: 'visits of a person',
    text: 'select v.visit_occurrence_id, v.visit_start_date, v.visit_end_date from cdm.visit_occurrence v where v.person_id = $1 order by v.visit_start_date',
    calls: 600,
    values: (r) => [r.any(20_000)],
  },
  {
    from: 'search in notes',
    text: 'select n.note_id, n.person_id, n.note_date from cdm.note n where lower(n.note_text) like $1 limit $2',
    calls: 80,
    values: (r) => [`%${r.word()} ${r.word()} ${r.word()}%`, 100],
  },
  {
    from: 'expensive visits of a person (planted column)',
    text: 'select v.visit_occurrence_id from cdm.visit_occurrence v where v.total_charge::numeric > $1 order by v.visit_start_date desc limit $2',
    calls: 60,
    values: (r) => [8_900 + r.any(90), 20],
  },
  {
    from: 'ETL: a measurement that came in',
    text: 'insert into cdm.measurement (measurement_id, person_id, measurement_concept_id, measurement_date, measurement_type_concept_id, value_as_number) values ((select max(measurement_id) + 1 + floor(random() * 1000)::int from cdm.measurement), $1, $2, current_date, 1, $3) on conflict do nothing',
    calls: 200,
    values: (r) => [r.any(20_000), r.zipf(40_000), r.any(140)],
  },
];
