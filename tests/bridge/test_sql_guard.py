"""The SQL door's allowlist: a corpus of attacks of which none may pass, and of questions that all must.

The oracle of the attacks that a database could run is in `test_sql_door.py`; here nothing is executed.
"""
# ruff: noqa: E501

import pytest

from servers.bridge.sql import check
from tools.errors import BadRequest

WRITES = """
INSERT INTO documents(id) VALUES ('x')
UPDATE documents SET title = 'x'
DELETE FROM documents
TRUNCATE documents
MERGE INTO documents d USING chunks c ON d.id = c.id WHEN MATCHED THEN DELETE
DROP TABLE documents
DROP SCHEMA public CASCADE
DROP DATABASE capibara6
CREATE TABLE x (a int)
CREATE TABLE x AS SELECT 1
CREATE TEMP TABLE x (a int)
CREATE VIEW v AS SELECT 1
CREATE MATERIALIZED VIEW v AS SELECT 1
CREATE INDEX i ON documents (id)
CREATE FUNCTION f() RETURNS int AS 'SELECT 1' LANGUAGE sql
CREATE EXTENSION dblink
CREATE ROLE evil SUPERUSER
CREATE USER evil
ALTER ROLE postgres PASSWORD 'x'
ALTER TABLE documents ADD COLUMN x int
ALTER SYSTEM SET shared_preload_libraries = 'x'
ALTER DATABASE capibara6 SET search_path = x
GRANT ALL ON documents TO PUBLIC
REVOKE ALL ON documents FROM capibara6_reader
COMMENT ON TABLE documents IS 'x'
COPY documents TO '/tmp/x'
COPY documents FROM '/etc/passwd'
COPY (SELECT 1) TO PROGRAM 'id'
COPY documents FROM PROGRAM 'curl http://x'
COPY documents TO STDOUT
VACUUM documents
ANALYZE documents
REINDEX TABLE documents
CLUSTER documents
CHECKPOINT
LOCK TABLE documents
LISTEN x
NOTIFY x, 'y'
UNLISTEN *
LOAD 'x'
DO $$ BEGIN DELETE FROM documents; END $$
CALL f()
SET ROLE postgres
SET SESSION AUTHORIZATION postgres
SET statement_timeout = 0
SET TRANSACTION READ WRITE
RESET ROLE
RESET ALL
SHOW data_directory
BEGIN
COMMIT
ROLLBACK
SAVEPOINT a
PREPARE TRANSACTION 'x'
PREPARE p AS SELECT 1
EXECUTE p
DEALLOCATE ALL
DISCARD ALL
DECLARE c CURSOR FOR SELECT 1
FETCH ALL FROM c
CLOSE c
SECURITY LABEL ON TABLE documents IS 'x'
REFRESH MATERIALIZED VIEW v
IMPORT FOREIGN SCHEMA x FROM SERVER y INTO z
CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw
CREATE TRIGGER t BEFORE INSERT ON documents EXECUTE FUNCTION f()
CREATE RULE r AS ON SELECT TO documents DO INSTEAD SELECT 1
CREATE EVENT TRIGGER t ON ddl_command_start EXECUTE FUNCTION f()
CREATE PUBLICATION p FOR ALL TABLES
CREATE SUBSCRIPTION s CONNECTION 'host=x' PUBLICATION p
DROP OWNED BY postgres
REASSIGN OWNED BY postgres TO evil
""".strip().splitlines()

HIDDEN_WRITES = """
WITH x AS (DELETE FROM documents RETURNING *) SELECT * FROM x
WITH x AS (INSERT INTO documents(id) VALUES ('a') RETURNING *) SELECT * FROM x
WITH x AS (UPDATE documents SET title = '' RETURNING *) SELECT * FROM x
WITH x AS (MERGE INTO documents d USING chunks c ON d.id = c.id WHEN MATCHED THEN DELETE RETURNING *) SELECT * FROM x
WITH a AS (WITH b AS (DELETE FROM chunks RETURNING id) SELECT * FROM b) SELECT * FROM a
SELECT * FROM (WITH x AS (DELETE FROM documents RETURNING 1) SELECT * FROM x) s
SELECT (WITH x AS (DELETE FROM documents RETURNING 1) SELECT count(*) FROM x)
SELECT 1; DELETE FROM documents
SELECT 1; COMMIT; DELETE FROM documents
; ; DROP TABLE documents
SELECT * INTO x FROM documents
SELECT * INTO TEMP x FROM documents
SELECT 1 INTO UNLOGGED y
SELECT * FROM documents FOR UPDATE
SELECT * FROM documents FOR SHARE
SELECT * FROM documents FOR NO KEY UPDATE NOWAIT
SELECT * FROM (SELECT * FROM documents FOR KEY SHARE) x
EXPLAIN ANALYZE DELETE FROM documents
EXPLAIN ANALYZE SELECT pg_sleep(1)
EXPLAIN (ANALYZE) SELECT 1
EXPLAIN (ANALYZE true, FORMAT json) SELECT 1
EXPLAIN DELETE FROM documents
EXPLAIN (BUFFERS) SELECT 1
EXPLAIN (SETTINGS) SELECT 1
EXPLAIN (GENERIC_PLAN) SELECT 1
EXPLAIN CREATE TABLE x AS SELECT 1
EXPLAIN EXECUTE p
VALUES (1); DROP TABLE documents
TABLE documents; DELETE FROM documents
""".strip().splitlines()

FUNCTIONS = """
pg_sleep(10)
pg_sleep_for('1 hour')
pg_sleep_until('tomorrow')
pg_catalog.pg_sleep(10)
"pg_sleep"(10)
PG_SLEEP(10)
pg_read_file('/etc/passwd')
pg_read_binary_file('/etc/passwd')
pg_ls_dir('/')
pg_ls_logdir()
pg_stat_file('/etc/passwd')
pg_terminate_backend(1)
pg_cancel_backend(1)
pg_reload_conf()
pg_rotate_logfile()
pg_switch_wal()
pg_create_restore_point('x')
pg_backup_start('x')
pg_promote()
pg_advisory_lock(1)
pg_advisory_xact_lock(1)
pg_try_advisory_lock(1)
pg_advisory_unlock_all()
pg_notify('x', 'y')
pg_export_snapshot()
pg_current_logfile()
pg_stat_reset()
pg_logical_emit_message(true, 'a', 'b')
pg_create_logical_replication_slot('a', 'b')
pg_drop_replication_slot('a')
pg_size_pretty(pg_database_size('capibara6'))
pg_relation_filepath('documents')
pg_get_functiondef(1)
pg_get_viewdef(1)
pg_typeof(1)
pg_stat_get_activity(NULL)
pg_stat_get_backend_activity(1)
pg_ls_waldir()
pg_file_write('/tmp/x', 'y', true)
pg_execute_server_program('id')
lo_import('/etc/passwd')
lo_export(1, '/tmp/x')
lo_create(0)
lo_put(1, 0, 'x')
lo_get(1)
lo_from_bytea(0, 'x')
lo_unlink(1)
dblink('host=x', 'SELECT 1')
dblink_connect('host=x')
dblink_exec('host=x', 'DROP TABLE documents')
query_to_xml('DELETE FROM documents', true, true, '')
query_to_xml_and_xmlschema('SELECT 1', true, true, '')
table_to_xml('documents', true, true, '')
schema_to_xml('public', true, true, '')
database_to_xml(true, true, '')
cursor_to_xml('c', 1, true, true, '')
xpath('/a', '<a/>')
xmlparse(document '<a/>')
ts_stat('SELECT to_tsvector(title) FROM documents')
ts_rewrite('a'::tsquery, 'SELECT 1')
set_config('role', 'postgres', false)
current_setting('data_directory')
has_table_privilege('documents', 'SELECT')
nextval('s')
setval('s', 1)
currval('s')
txid_current()
inet_server_addr()
version()
current_database()
current_schemas(true)
obj_description(1)
col_description(1, 1)
format('%s', 1)
to_regclass('pg_authid')
to_regrole('postgres')
row_security_active('documents')
repeat('x', 1000000000)
repeat(repeat('x', 1000), 1000)
repeat('x', (SELECT 1000000000))
repeat('x', $1)
lpad('x', 1000000000)
rpad('x', 2147483647, 'y')
brin_summarize_new_values('i')
gin_clean_pending_list('i')
amvalidate(1)
binary_upgrade_create_empty_extension('a', 'b', true, 'c', '{}', '{}', '{}')
public.f()
evil.f()
information_schema._pg_truetypid(1)
crypt('a', 'b')
gen_salt('bf')
pgp_sym_decrypt('a', 'b')
http_get('http://x')
""".strip().splitlines()

PLACES = [
    "SELECT {f}",
    "SELECT * FROM {f}",
    "SELECT 1 WHERE ({f})::text = 'a'",
    "SELECT * FROM ROWS FROM ({f}, generate_series(1, 2)) AS x",
    "SELECT * FROM documents d, LATERAL {f} AS x",
    "SELECT CASE WHEN true THEN ({f})::text ELSE '' END",
    "SELECT 1 ORDER BY ({f})",
    "SELECT count(*) FILTER (WHERE ({f}) IS NULL) FROM documents",
    "WITH x AS (SELECT {f} AS a) SELECT * FROM x",
    "SELECT 1 GROUP BY ({f})",
    "SELECT 1 LIMIT (SELECT length(({f})::text))",
    "SELECT array[({f})::text]",
    "EXPLAIN SELECT {f}",
    "SELECT sum(1) OVER (ORDER BY ({f})) FROM documents",
    "VALUES (({f}))",
    "SELECT 1 UNION ALL SELECT ({f})::int",
]

TABLES = """
SELECT * FROM pg_authid
SELECT * FROM pg_shadow
SELECT * FROM pg_catalog.pg_roles
SELECT * FROM pg_stat_activity
SELECT * FROM pg_settings
SELECT * FROM pg_file_settings
SELECT * FROM pg_hba_file_rules
SELECT * FROM pg_stat_ssl
SELECT * FROM pg_largeobject
SELECT * FROM pg_proc
SELECT * FROM pg_class
SELECT * FROM pg_user_mapping
SELECT * FROM information_schema.tables
SELECT * FROM information_schema.role_table_grants
SELECT * FROM pg_toast.pg_toast_1
SELECT * FROM pg_temp.x
SELECT * FROM other.documents
SELECT * FROM capibara6.public.documents
SELECT * FROM "pg_authid"
SELECT (SELECT rolpassword FROM pg_authid LIMIT 1)
SELECT * FROM documents WHERE id IN (SELECT rolname FROM pg_roles)
SELECT * FROM documents JOIN pg_user ON true
WITH pg_x AS (SELECT 1) SELECT * FROM pg_authid
SELECT current_user
SELECT session_user
SELECT user
SELECT current_role
SELECT current_catalog
SELECT current_schema
SELECT 'pg_authid'::regclass
SELECT 1::regrole
SELECT 'now()'::regprocedure
SELECT CAST('x' AS pg_catalog.regclass)
SELECT 'a'::xml
SELECT xmlelement(name a, 1)
SELECT xmlforest(1 AS a)
SELECT xmlserialize(content '<a/>' AS text)
SELECT documents.pg_sleep FROM documents
SELECT (d).pg_typeof FROM documents d
SELECT 1 OPERATOR(evil.+) 2
SELECT * FROM documents TABLESAMPLE system (10)
SELECT * FROM XMLTABLE('/a' PASSING '<a/>' COLUMNS b text)
SELECT '1'::evil.type
SELECT 1::documents.id%TYPE
SELECT 1 AS a, \\copy x
SELECT $$unterminated
SELECT 'a' FROM
selec 1
SELECT ((((
""".strip().splitlines()

BENIGN = """
SELECT 1
select 1;
SELECT 1 AS one, 'two' AS two, NULL, true, 1.5e3
SELECT * FROM documents
SELECT d.id, d.title FROM documents AS d WHERE d.language = 'es' ORDER BY d.updated_at DESC LIMIT 10 OFFSET 5
SELECT count(*), count(DISTINCT language) FROM documents
SELECT language, count(*) FROM documents GROUP BY language HAVING count(*) > 1
SELECT * FROM public.documents WHERE id = $1 AND chunks > $2::int
SELECT d.title, c.text FROM documents d JOIN chunks c ON c.document_id = d.id AND c.collection = d.collection
SELECT * FROM documents d LEFT JOIN chunks c USING (collection)
SELECT * FROM documents NATURAL JOIN chunks
SELECT * FROM documents CROSS JOIN chunks LIMIT 1
WITH recent AS (SELECT * FROM documents LIMIT 5) SELECT * FROM recent
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT sum(n) FROM t
SELECT 1 UNION SELECT 2 UNION ALL SELECT 3 INTERSECT SELECT 3 EXCEPT SELECT 4
SELECT CASE WHEN chunks > 1 THEN 'many' ELSE 'one' END FROM documents
SELECT coalesce(title, ''), nullif(title, ''), greatest(1, 2), least(1, 2) FROM documents
SELECT upper(title), lower(title), length(title), substring(title FROM 1 FOR 3), trim(title) FROM documents
SELECT substring(title, 1, 3), position('a' IN title), overlay(title PLACING 'x' FROM 1), replace(title, 'a', 'b') FROM documents
SELECT title ILIKE '%model%', title LIKE 'a\\_%', title ~ '^A', title SIMILAR TO 'a+', title NOT LIKE 'b' FROM documents
SELECT concat(title, ' ', id), concat_ws('-', 1, 2), title || '!' FROM documents
SELECT date_trunc('day', updated_at), extract(year FROM updated_at), age(now()), to_char(now(), 'YYYY') FROM documents
SELECT now(), current_date, current_timestamp, localtime, localtimestamp(0)
SELECT now() - interval '1 day', timestamp '2026-01-01' AT TIME ZONE 'UTC'
SELECT metadata->'a', metadata->>'b', metadata #>> '{a,b}', metadata @> '{"a":1}', metadata ? 'a' FROM documents
SELECT jsonb_array_elements('[1,2]'::jsonb), jsonb_build_object('a', 1), jsonb_typeof('1')
SELECT * FROM jsonb_each('{"a":1}'::jsonb)
SELECT * FROM generate_series(1, 10) AS n
SELECT * FROM generate_series(1, 3) WITH ORDINALITY AS x(a, b)
SELECT * FROM unnest(array[1, 2, 3]) AS u
SELECT array_agg(id ORDER BY id), string_agg(title, ', '), json_agg(id) FROM documents
SELECT id, row_number() OVER (PARTITION BY language ORDER BY id), lag(id) OVER w FROM documents WINDOW w AS (ORDER BY id)
SELECT sum(chunks) FILTER (WHERE language = 'es') FROM documents
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY chunks) FROM documents
SELECT * FROM documents WHERE id IN ('a', 'b') OR id = ANY(ARRAY['c']) AND EXISTS (SELECT 1 FROM chunks)
SELECT * FROM documents WHERE chunks BETWEEN 1 AND 5 AND title IS NOT NULL AND (state = 'done') IS TRUE
SELECT (SELECT count(*) FROM chunks c WHERE c.document_id = d.id) FROM documents d
SELECT * FROM documents d, LATERAL (SELECT text FROM chunks c WHERE c.document_id = d.id LIMIT 1) x
SELECT DISTINCT ON (language) language, id FROM documents ORDER BY language, id
SELECT language, state, count(*) FROM documents GROUP BY GROUPING SETS ((language), (state), ())
SELECT language, count(*), grouping(language) FROM documents GROUP BY ROLLUP (language)
SELECT abs(-1), round(1.5, 0), ceil(1.2), floor(1.8), sqrt(4), power(2, 3), mod(5, 2), 5 % 2, 2 ^ 3, -1
SELECT 1::text, CAST('1' AS integer), '2026-01-01'::date, '1'::numeric(10, 2), '{1,2}'::int[]
SELECT (array[1, 2])[1], (array[1, 2, 3])[1:2]
SELECT 1 /* ; */ ; -- x
SELECT ROW(1, 2), (1, 2) = (1, 2)
SELECT md5(title), encode(sha256('a'::bytea), 'hex') FROM documents
SELECT regexp_replace(title, 'a', 'b', 'g'), split_part(title, ' ', 1), string_to_array('a,b', ',') FROM documents
SELECT to_tsvector('simple', title) @@ plainto_tsquery('simple', 'model') FROM documents
SELECT lpad('7', 3, '0'), repeat('ab', 3), rpad('a', 10)
EXPLAIN SELECT * FROM documents
EXPLAIN (FORMAT json, COSTS off) SELECT * FROM documents
VALUES (1, 'a'), (2, 'b')
TABLE documents
SELECT * FROM (VALUES (1), (2)) AS v(n) ORDER BY n DESC NULLS LAST
SELECT title COLLATE "C" FROM documents ORDER BY title COLLATE "C"
SELECT 'it''s', E'a\\nb', $$dollar$$, U&'\\0041', B'101', X'1F'
SELECT "title" FROM "documents" -- a comment
/* a comment */ SELECT /* DROP TABLE documents; */ 1
SELECT 'DELETE FROM documents; DROP TABLE x' AS text
SELECT 'pg_sleep(10)', 'pg_authid'
SELECT id AS "select", title AS "delete" FROM documents
SELECT count(*) AS update FROM documents
SELECT random() < 2, gen_random_uuid() IS NOT NULL
SELECT a.n * b.n FROM generate_series(1, 3) a(n) CROSS JOIN generate_series(1, 3) b(n)
SELECT bool_and(chunks > 0), stddev(chunks), corr(chunks, chunks) FROM documents
SELECT * FROM ROWS FROM (generate_series(1, 2), unnest(array['a', 'b'])) AS x(a, b)
""".strip().splitlines()

CALLED = [
    place.format(f=call) for n, call in enumerate(FUNCTIONS) for place in (PLACES[0], PLACES[n % len(PLACES)])
]
ATTACKS = [*WRITES, *HIDDEN_WRITES, *CALLED, *TABLES]


def test_the_corpora_are_as_large_as_promised() -> None:
    assert len(set(ATTACKS)) >= 250
    assert len(BENIGN) >= 60


@pytest.mark.parametrize("statement", ATTACKS)
def test_attack_is_refused(statement: str) -> None:
    with pytest.raises(BadRequest) as caught:
        check(statement)
    assert caught.value.code in ("forbidden_statement", "syntax_error")


@pytest.mark.parametrize("statement", BENIGN)
def test_question_is_allowed(statement: str) -> None:
    assert check(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "(SELECT " * 3_000 + "1" + ")" * 3_000,
        "SELECT " + " + ".join(["1"] * 30_000),
        "SELECT " + "NOT " * 3_000 + "true",
        "SELECT 1 WHERE " + " AND ".join(["true"] * 30_000),
        "SELECT '" + "x" * 200_000 + "'",
        "SELECT 1\x00",
        "",
        ";",
        "   ",
        "-- only a comment",
    ],
)
def test_shapes_made_to_break_the_parser_are_refused(statement: str) -> None:
    with pytest.raises(BadRequest):
        check(statement)
