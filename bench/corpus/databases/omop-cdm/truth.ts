import type { Truth } from '../../corpusDatabase.ts';
import { prefix } from '../causes.ts';

export const truth: Truth = {
  planted: [
    {
      check: 'missing-index',
      or: ['foreign-key-without-index'],
      table: 'measurement',
      columns: ['person_id'],
      why: 'dropped: the measurements of a person',
    },
    { check: 'unlogged-table', table: 'note', why: 'notes that a crash would empty' },
    {
      check: 'typed-as-text',
      table: 'visit_occurrence',
      columns: ['total_charge'],
      why: 'amounts as text, compared through a cast',
    },
    prefix('drug_exposure', 'person_id', 'made twice'),
    {
      check: 'missing-foreign-key',
      table: 'condition_occurrence',
      columns: ['visit_occurrence_id'],
      why: 'the key was dropped, and 3 % are of no visit',
    },
  ],
  natural: [
    { check: 'leading-wildcard', table: 'concept', columns: ['concept_name'], why: 'the search of ATLAS' },
    { check: 'leading-wildcard', table: 'note', columns: ['note_text'], why: 'a search in long texts' },
    {
      check: 'missing-index',
      table: 'condition_occurrence',
      columns: ['condition_source_value'],
      why: 'codes of the source have no index',
    },
    {
      check: 'missing-index',
      or: ['foreign-key-without-index'],
      table: 'visit_occurrence',
      columns: ['care_site_id'],
      why: 'visits of a site read all visits',
    },
    { check: 'missing-primary-key', table: 'concept_ancestor', why: 'the model gives it none' },
    { check: 'missing-primary-key', table: 'concept_relationship', why: 'the same' },
    { check: 'missing-primary-key', table: 'death', why: 'the same' },
  ],
  accepted: [
    { checks: ['missing-primary-key'], why: 'the model gives others none either, empty here' },
    {
      checks: ['aggregate-at-request-time'],
      table: 'condition_occurrence',
      why: 'Achilles computes it again each time; it is a batch',
    },
    {
      checks: ['duplicate-index'],
      why: 'an index on the key beside the key, for CLUSTER: true, and meant so',
    },
    { checks: ['foreign-key-without-index'], why: 'each *_concept_id is one; concepts are not deleted' },
    {
      checks: ['missing-foreign-key'],
      why: 'few are undeclared; rows without a parent only in condition_occurrence',
    },
    {
      checks: ['entity-attribute-value'],
      table: 'observation',
      why: 'a person, a concept, and one of several values: the model is made so',
    },
    { checks: ['entity-attribute-value'], table: 'measurement', why: 'the same' },
    { checks: ['weak-type'], why: 'timestamps without a zone: for information' },
    {
      checks: ['missing-index'],
      table: 'visit_occurrence',
      columns: ['visit_start_date'],
      why: 'part of the answer to the report',
    },
    {
      checks: ['functional-dependency'],
      table: 'person',
      columns: ['gender_concept_id', 'gender_source_value'],
      why: 'the source beside its concept; here they are independent, elsewhere not',
    },
    { checks: ['unbounded-read'], why: 'a cohort is a set' },
  ],
  traps: [
    { checks: ['cold-data'], why: 'clinical history is what the model is for' },
    { checks: ['typed-as-text'], table: 'location', columns: ['zip'], why: 'a code, with zeros in front' },
    { checks: ['typed-as-text'], table: 'provider', columns: ['npi'], why: 'a number that is a name' },
    {
      checks: ['typed-as-text'],
      table: 'condition_occurrence',
      columns: ['condition_source_value'],
      why: 'codes',
    },
    { checks: ['missing-index'], table: 'concept', columns: ['concept_id'], why: 'its key' },
    { checks: ['list-in-column'], table: 'drug_exposure', columns: ['sig'], why: 'sentences' },
    { checks: ['aggregate-at-request-time'], table: 'measurement', why: 'only the maximum, from the key' },
  ],
};
