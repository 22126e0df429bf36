import { escapeLiteral as literal } from 'pg';

/** Names of the triggers that keep both tables in step; they are no part of the table. */
export const TRIGGER_PREFIX = 'sqltrail_';

/** Roles that ALTER DEFAULT PRIVILEGES gives rights on what the owner of table `c` makes beside it; null is PUBLIC. */
export const DEFAULT_GRANTEES = `SELECT DISTINCT g.grantee AS place, to_jsonb(CASE WHEN g.grantee <> 0 THEN pg_get_userbyid(g.grantee) END) AS item
    FROM pg_default_acl AS f, aclexplode(f.defaclacl) AS g
   WHERE f.defaclobjtype IN ('r', 'S') AND f.defaclrole = c.relowner AND f.defaclnamespace IN (0, c.relnamespace) AND g.grantee <> c.relowner`;

/** Those of an access control list, as jsonb; null where nothing was ever granted or revoked. */
export const grants = (acl: string) => `(SELECT jsonb_agg(jsonb_build_object(
    'grantee', CASE WHEN g.grantee <> 0 THEN pg_get_userbyid(g.grantee) END, 'privilege', g.privilege_type, 'grantable', g.is_grantable)
    ORDER BY g.grantee, g.privilege_type) FROM aclexplode(${acl}) AS g)`;
const list = (select: string) =>
  `coalesce((SELECT jsonb_agg(x.item ORDER BY x.place) FROM (${select}) AS x), '[]')`;
const names = (
  numbers: string,
  relation: string,
) => `ARRAY(SELECT a.attname::text FROM unnest(${numbers}) WITH ORDINALITY AS k (number, place)
       JOIN pg_attribute AS a ON a.attrelid = ${relation} AND a.attnum = k.number ORDER BY k.place)`;

/**
 * One statement that gives one jsonb, `description`: a hash of it can be taken within the transaction that relies on
 * it. Columns that older servers do not have are read through to_jsonb(). Needs `search_path = pg_catalog`.
 */
export const describeSql = (oid: string): string => `SELECT jsonb_build_object(
  'table', jsonb_build_object(
    'oid', c.oid::text, 'schema', n.nspname, 'name', c.relname, 'kind', c.relkind, 'owner', pg_get_userbyid(c.relowner),
    'persistence', c.relpersistence, 'method', m.amname, 'tablespace', s.spcname, 'options', c.reloptions,
    'rowSecurity', c.relrowsecurity, 'forceRowSecurity', c.relforcerowsecurity, 'replicaIdentity', c.relreplident,
    'partition', c.relispartition, 'typed', c.reloftype <> 0,
    'inherits', EXISTS (SELECT FROM pg_inherits AS i WHERE c.oid IN (i.inhrelid, i.inhparent)),
    'extension', (SELECT e.extname FROM pg_depend AS d JOIN pg_extension AS e ON e.oid = d.refobjid
                   WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'),
    'subscribed', EXISTS (SELECT FROM pg_subscription_rel AS r WHERE r.srrelid = c.oid),
    'mayCreate', has_schema_privilege(c.relowner, n.oid, 'CREATE'),
    'comment', obj_description(c.oid, 'pg_class')),
  'columns', ${list(`SELECT a.attnum AS place, jsonb_build_object(
      'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'notNull', a.attnotnull, 'identity', a.attidentity,
      'generated', a.attgenerated, 'default', pg_get_expr(d.adbin, d.adrelid), 'statistics', nullif(a.attstattarget, -1),
      'options', a.attoptions, 'storage', a.attstorage, 'compression', a.attcompression, 'collation', a.attcollation,
      'typeSchemas', (SELECT to_jsonb(array_agg(DISTINCT yn.nspname)) FROM pg_type AS y JOIN pg_type AS z ON z.oid IN (y.oid, y.typbasetype)
                       JOIN pg_namespace AS yn ON yn.oid = z.typnamespace WHERE y.oid = a.atttypid),
      'comment', col_description(c.oid, a.attnum)) AS item
    FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped`)},
  'constraints', ${list(`SELECT o.conname AS place, jsonb_build_object(
      'name', o.conname, 'type', o.contype, 'definition', pg_get_constraintdef(o.oid), 'columns', ${names('o.conkey', 'c.oid')},
      'deferrable', o.condeferrable, 'validated', o.convalidated, 'references', nullif(o.confrelid, 0)::text,
      'comment', obj_description(o.oid, 'pg_constraint')) AS item
    FROM pg_constraint AS o WHERE o.conrelid = c.oid AND o.contype IN ('p', 'u', 'f', 'c', 'x') AND o.conparentid = 0`)},
  'indexes', ${list(`SELECT ic.relname AS place, jsonb_build_object(
      'name', ic.relname, 'unique', i.indisunique, 'primary', i.indisprimary, 'valid', i.indisvalid AND i.indisready,
      'immediate', i.indimmediate, 'method', ia.amname, 'partial', i.indpred IS NOT NULL,
      'columns', ARRAY(SELECT a.attname::text FROM generate_series(0, i.indnkeyatts - 1) AS k
                         LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = i.indkey[k] AND a.attnum <> 0 ORDER BY k),
      'body', substr(pg_get_indexdef(i.indexrelid), length(format('CREATE %sINDEX %I ON %s',
                CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, ic.relname, c.oid::regclass)) + 1),
      'constraint', (SELECT o.conname FROM pg_constraint AS o WHERE o.conindid = i.indexrelid AND o.contype IN ('p', 'u', 'x')),
      'replicaIdentity', i.indisreplident, 'clustered', i.indisclustered, 'comment', obj_description(ic.oid, 'pg_class')) AS item
    FROM pg_index AS i JOIN pg_class AS ic ON ic.oid = i.indexrelid JOIN pg_am AS ia ON ia.oid = ic.relam WHERE i.indrelid = c.oid`)},
  'incoming', ${list(`SELECT o.oid AS place, jsonb_build_object(
      'schema', rn.nspname, 'table', r.relname, 'name', o.conname, 'definition', pg_get_constraintdef(o.oid),
      'columns', ${names('o.confkey', 'c.oid')}, 'validated', o.convalidated, 'partitioned', r.relkind = 'p', 'comment', obj_description(o.oid, 'pg_constraint'),
      'ours', pg_has_role(c.relowner, r.relowner, 'USAGE')) AS item
    FROM pg_constraint AS o JOIN pg_class AS r ON r.oid = o.conrelid JOIN pg_namespace AS rn ON rn.oid = r.relnamespace
   WHERE o.confrelid = c.oid AND o.contype = 'f' AND o.conparentid = 0`)},
  'triggers', ${list(`SELECT t.tgname AS place, jsonb_build_object(
      'name', t.tgname, 'definition', pg_get_triggerdef(t.oid), 'enabled', t.tgenabled, 'row', t.tgtype::int & 1 = 1,
      'before', t.tgtype::int & 2 = 2, 'transition', coalesce(t.tgoldtable, t.tgnewtable) IS NOT NULL,
      'source', coalesce((SELECT p.prosrc FROM pg_proc AS p WHERE p.oid = t.tgfoid), ''),
      'comment', obj_description(t.oid, 'pg_trigger')) AS item
    FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND NOT starts_with(t.tgname::text, ${literal(TRIGGER_PREFIX)})`)},
  'policies', ${list(`SELECT p.polname AS place, jsonb_build_object(
      'name', p.polname, 'permissive', p.polpermissive,
      'command', CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
      'roles', ARRAY(SELECT pg_get_userbyid(r)::text FROM unnest(p.polroles) AS r WHERE r <> 0),
      'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid),
      'comment', obj_description(p.oid, 'pg_policy')) AS item
    FROM pg_policy AS p WHERE p.polrelid = c.oid`)},
  'grants', ${grants('c.relacl')},
  'columnGrants', ${list(`SELECT a.attnum * 1000 + row_number() OVER (ORDER BY g.grantee, g.privilege_type) AS place, jsonb_build_object(
      'column', a.attname, 'grantee', CASE WHEN g.grantee <> 0 THEN pg_get_userbyid(g.grantee) END,
      'privilege', g.privilege_type, 'grantable', g.is_grantable) AS item
    FROM pg_attribute AS a, aclexplode(a.attacl) AS g WHERE a.attrelid = c.oid AND NOT a.attisdropped`)},
  'defaultGrantees', ${list(DEFAULT_GRANTEES)},
  'statistics', ${list(`SELECT e.oid AS place, jsonb_build_object(
      'schema', en.nspname, 'name', e.stxname, 'definition', pg_get_statisticsobjdef(e.oid), 'target', nullif(e.stxstattarget, -1),
      'comment', obj_description(e.oid, 'pg_statistic_ext')) AS item
    FROM pg_statistic_ext AS e JOIN pg_namespace AS en ON en.oid = e.stxnamespace WHERE e.stxrelid = c.oid`)},
  'sequences', ${list(`SELECT q.relname AS place, jsonb_build_object(
      'schema', qn.nspname, 'name', q.relname, 'column', a.attname, 'kind', d.deptype,
      'type', (SELECT format_type(s.seqtypid, NULL) FROM pg_sequence AS s WHERE s.seqrelid = q.oid), 'grants', ${grants('q.relacl')},
      'comment', obj_description(q.oid, 'pg_class')) AS item
    FROM pg_depend AS d JOIN pg_class AS q ON q.oid = d.objid AND q.relkind = 'S' JOIN pg_namespace AS qn ON qn.oid = q.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
   WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.deptype IN ('a', 'i')`)},
  'views', ${list(`SELECT vn.nspname || '.' || v.relname AS place, jsonb_build_object(
      'schema', vn.nspname, 'name', v.relname, 'options', v.reloptions, 'definition', pg_get_viewdef(v.oid),
      'needsKey', EXISTS (SELECT FROM pg_depend AS k JOIN pg_constraint AS o ON o.oid = k.refobjid
                           WHERE k.classid = 'pg_rewrite'::regclass AND k.refclassid = 'pg_constraint'::regclass AND o.conrelid = c.oid
                             AND k.objid IN (SELECT w.oid FROM pg_rewrite AS w WHERE w.ev_class = v.oid)),
      'ours', pg_has_role(c.relowner, v.relowner, 'USAGE')) AS item
    FROM pg_class AS v JOIN pg_namespace AS vn ON vn.oid = v.relnamespace
   WHERE v.relkind = 'v' AND EXISTS (SELECT FROM pg_rewrite AS w JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
           WHERE w.ev_class = v.oid AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid)`)},
  'publications', ${list(`SELECT p.pubname AS place, jsonb_build_object(
      'name', p.pubname, 'viaRoot', p.pubviaroot, 'plain', r.oid IS NOT NULL AND to_jsonb(r) ->> 'prqual' IS NULL AND to_jsonb(r) ->> 'prattrs' IS NULL,
      'ours', pg_has_role(c.relowner, p.pubowner, 'USAGE')) AS item
    FROM pg_publication AS p LEFT JOIN pg_publication_rel AS r ON r.prpubid = p.oid AND r.prrelid = c.oid
   WHERE EXISTS (SELECT FROM pg_publication_tables AS k WHERE k.pubname = p.pubname AND k.schemaname = n.nspname AND k.tablename = c.relname)`)},
  'dependents', ${list(`SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0) AS place, to_jsonb(pg_describe_object(d.classid, d.objid, 0)) AS item
    FROM pg_depend AS d
   WHERE (d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
          OR d.refclassid = 'pg_type'::regclass AND d.refobjid IN (SELECT y.oid FROM pg_type AS y WHERE y.oid = c.reltype OR y.typelem = c.reltype AND c.reltype <> 0))
     AND NOT CASE d.classid
       WHEN 'pg_attrdef'::regclass THEN EXISTS (SELECT FROM pg_attrdef AS e WHERE e.oid = d.objid AND e.adrelid = c.oid)
       WHEN 'pg_class'::regclass THEN EXISTS (SELECT FROM pg_class AS e WHERE e.oid = d.objid AND e.relkind IN ('i', 'S', 't')) OR d.objid = c.oid
       WHEN 'pg_constraint'::regclass THEN EXISTS (SELECT FROM pg_constraint AS e WHERE e.oid = d.objid AND c.oid IN (e.conrelid, e.confrelid))
       WHEN 'pg_trigger'::regclass THEN EXISTS (SELECT FROM pg_trigger AS e WHERE e.oid = d.objid AND (e.tgrelid = c.oid OR e.tgisinternal))
       WHEN 'pg_policy'::regclass THEN EXISTS (SELECT FROM pg_policy AS e WHERE e.oid = d.objid AND e.polrelid = c.oid)
       WHEN 'pg_statistic_ext'::regclass THEN true
       WHEN 'pg_type'::regclass THEN EXISTS (SELECT FROM pg_type AS e WHERE e.oid = d.objid AND (e.oid = c.reltype OR e.typelem = c.reltype))
       WHEN 'pg_rewrite'::regclass THEN EXISTS (SELECT FROM pg_rewrite AS e JOIN pg_class AS v ON v.oid = e.ev_class WHERE e.oid = d.objid AND v.relkind = 'v')
       WHEN 'pg_publication_rel'::regclass THEN true
       ELSE false END`)},
  'size', jsonb_build_object('rows', greatest(c.reltuples, 0), 'heapBytes', pg_table_size(c.oid), 'totalBytes', pg_total_relation_size(c.oid))
) AS description
  FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace LEFT JOIN pg_am AS m ON m.oid = c.relam
  LEFT JOIN pg_tablespace AS s ON s.oid = c.reltablespace
 WHERE c.oid = ${literal(oid)}::oid`;
