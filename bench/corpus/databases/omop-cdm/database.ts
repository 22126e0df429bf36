import type { CorpusDatabase } from '../../corpusDatabase.ts';
import { oneOf } from '../../oneOf.ts';
import { orphans } from '../../plants.ts';
import { truth } from './truth.ts';
import { workload } from './workload.ts';

const ddl = (part: string) => `inst/ddl/5.4/postgresql/OMOPCDM_postgresql_5.4_${part}.sql`;
const concept = '{ref:concept.concept_id}';
const optional = Object.fromEntries(
  [
    'visit_detail_id',
    'preceding_visit_occurrence_id',
    'meas_event_field_concept_id',
    'obs_event_field_concept_id',
    'note_event_field_concept_id',
    'note_event_id',
    'measurement_event_id',
    'observation_event_id',
  ].map((name) => [`*.${name}`, 'NULL']),
);

export const database: CorpusDatabase = {
  name: 'omop-cdm',
  about:
    'clinical data for research; SQL written by hand, as ATLAS and Achilles send it; a schema of its own',
  source: {
    repository: 'OHDSI/CommonDataModel',
    commit: 'f853f6e39c61b4eb8b3e5287fd573a1ced36c0e4',
    files: ['ddl', 'primary_keys', 'constraints', 'indices'].map(ddl),
    sha256: 'cb28b03718fdac224a561593e99f44b59ae4480e0b38b9d9dd380f2d469e03c0',
    prelude: 'CREATE SCHEMA cdm',
    replace: [[/@cdmDatabaseSchema/g, 'cdm']],
  },
  searchPath: 'cdm, public',
  filling: {
    days: 1_800,
    rows: {
      domain: 20,
      vocabulary: 20,
      concept_class: 20,
      relationship: 20,
      concept: 40_000,
      concept_ancestor: 80_000,
      concept_relationship: 60_000,
      location: 2_000,
      care_site: 300,
      provider: 2_000,
      person: 20_000,
      observation_period: 20_000,
      death: 1_500,
      visit_occurrence: 60_000,
      condition_occurrence: 100_000,
      drug_exposure: 100_000,
      procedure_occurrence: 40_000,
      measurement: 150_000,
      observation: 50_000,
      note: 10_000,
    },
    columns: {
      ...optional,
      '*.visit_occurrence_id': '{ref:visit_occurrence.visit_occurrence_id}',
      'visit_occurrence.visit_occurrence_id': '{i}',
      'concept.concept_name': "initcap({words}) || ' ' || {i}",
      'concept.concept_code': "'C' || {i}",
      'concept.standard_concept': "CASE WHEN {u} < 0.6 THEN 'S' END",
      'concept.domain_id': '{ref:domain.domain_id}',
      'concept.vocabulary_id': '{ref:vocabulary.vocabulary_id}',
      'concept.concept_class_id': '{ref:concept_class.concept_class_id}',
      'concept.invalid_reason': 'NULL',
      '*.domain_concept_id': '1',
      '*.vocabulary_concept_id': '1',
      '*.concept_class_concept_id': '1',
      '*.relationship_concept_id': '1',
      'domain.domain_id': "'Domain ' || {i}",
      'vocabulary.vocabulary_id': "'V' || {i}",
      'concept_class.concept_class_id': "'Class ' || {i}",
      'relationship.relationship_id': "'Rel ' || {i}",
      'relationship.reverse_relationship_id': "'Rel ' || {i}",
      'relationship.is_hierarchical': "'0'",
      'relationship.defines_ancestry': "'0'",
      'concept_relationship.relationship_id': '{ref:relationship.relationship_id}',
      'concept_relationship.invalid_reason': 'NULL',
      '*.concept_id_1': concept,
      '*.concept_id_2': concept,
      'person.year_of_birth': '1930 + floor({u} * 90)::int',
      'person.month_of_birth': '1 + floor({u} * 12)::int',
      'person.day_of_birth': '1 + floor({u} * 28)::int',
      'person.birth_datetime': 'NULL',
      'person.person_source_value': "'P' || md5({i}::text)",
      'person.gender_concept_id': '1 + floor({u} * 2)::int',
      'person.gender_source_value': oneOf(['M', 'F']),
      'condition_occurrence.condition_source_value':
        "chr(65 + floor({u:a} * 26)::int) || lpad(floor({u:b} * 99)::text, 2, '0') || '.' || floor({u:c} * 9)",
      'condition_occurrence.stop_reason': 'NULL',
      'drug_exposure.lot_number': 'NULL',
      'drug_exposure.drug_source_value': "'NDC' || lpad(floor({u} * 99999)::text, 5, '0')",
      'drug_exposure.sig': '{sentence}',
      'measurement.measurement_time': 'NULL',
      'measurement.value_source_value': 'NULL',
      'measurement.value_as_number': 'round((80 + {u} * 60)::numeric, 1)',
      'measurement.measurement_source_value': "'LOINC ' || floor({u} * 500)",
      'observation.value_as_string': '{word}',
      'observation.value_source_value': 'NULL',
      'location.zip': "lpad(floor({u} * 99999)::text, 5, '0')",
      'provider.npi': "lpad(floor({u} * 1e9)::text, 10, '1')",
    },
    plant: `
      DROP INDEX cdm.idx_measurement_person_id_1;
      ALTER TABLE cdm.note SET UNLOGGED;
      ALTER TABLE cdm.visit_occurrence ADD COLUMN total_charge varchar(20);
      UPDATE cdm.visit_occurrence SET total_charge = to_char((visit_occurrence_id * 7919 % 900000) / 100.0, 'FM999990.00');
      CREATE INDEX drug_exposure_person ON cdm.drug_exposure (person_id);
      ${orphans('cdm.condition_occurrence', 'visit_occurrence_id', 0.03)}`,
  },
  workload,
  truth,
};
