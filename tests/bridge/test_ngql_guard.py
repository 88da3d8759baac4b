"""The nGQL door: whatever could write is refused to a reader, whatever only reads is not."""

import pytest

from servers.bridge.ngql import check
from tools.errors import Capibara6Error

WRITES = [
    'INSERT VERTEX person(name) VALUES "a":("x")',
    'insert vertex person(name) values "a":("x")',
    'INSERT VERTEX IF NOT EXISTS person(name) VALUES "a":("x")',
    'INSERT EDGE knows() VALUES "a"->"b":()',
    'UPDATE VERTEX ON person "a" SET name = "y"',
    'UPDATE EDGE ON knows "a"->"b" SET x = 1',
    'UPSERT VERTEX ON person "a" SET name = "y"',
    'DELETE VERTEX "a"',
    'DELETE VERTEX "a" WITH EDGE',
    'DELETE EDGE knows "a"->"b"@0',
    'DELETE TAG person FROM "a"',
    "CREATE SPACE x(vid_type=FIXED_STRING(8))",
    "CREATE TAG t(a int)",
    "CREATE EDGE e()",
    "CREATE TAG INDEX i ON t(a)",
    "CREATE SPACE x AS y",
    "CREATE USER evil WITH PASSWORD 'x'",
    "DROP SPACE capibara6",
    "DROP TAG person",
    "DROP EDGE knows",
    "DROP TAG INDEX i",
    "ALTER TAG person ADD (age int)",
    "ALTER EDGE knows DROP (x)",
    "REBUILD TAG INDEX i",
    "REBUILD EDGE INDEX i",
    "SUBMIT JOB STATS",
    "SUBMIT JOB COMPACT",
    "STOP JOB 1",
    "RECOVER JOB",
    "BALANCE LEADER",
    "BALANCE DATA",
    "GRANT ROLE ADMIN ON x TO y",
    "REVOKE ROLE ADMIN ON x FROM y",
    "CHANGE PASSWORD root FROM 'a' TO 'b'",
    "KILL QUERY (session=1, plan=1)",
    "KILL SESSION 1",
    "ADD HOSTS 127.0.0.1:9779",
    "DROP HOSTS 127.0.0.1:9779",
    "ADD LISTENER ELASTICSEARCH 127.0.0.1:1",
    "CREATE SNAPSHOT",
    "DROP SNAPSHOT x",
    "SIGN IN TEXT SERVICE (127.0.0.1:1)",
    "SIGN OUT TEXT SERVICE",
    "CLEAR SPACE x",
    "DOWNLOAD HDFS 'hdfs://x'",
    "INGEST",
    "MERGE ZONE a, b INTO c",
    "RENAME ZONE a TO b",
    "DIVIDE ZONE a INTO b (1)",
    "UPDATE CONFIGS storage:x = 1",
    "USE other",
    "USE other; MATCH (v) RETURN v LIMIT 1",
    "SHOW USERS",
    "SHOW HOSTS",
    "SHOW CONFIGS",
    "SHOW SESSIONS",
    "SHOW QUERIES",
    "SHOW ROLES IN x",
    "SHOW SNAPSHOTS",
    "SHOW LOCAL SESSIONS",
]
WRAPS = [
    "YIELD 1; {w}",
    "YIELD 1;{w}",
    "YIELD 1 | {w}",
    "$x = {w}",
    "$x = YIELD 1; {w}",
    "PROFILE {w}",
    'PROFILE FORMAT="row" {w}',
    "EXPLAIN {w}",
    "({w})",
    "YIELD 1 UNION {w}",
    "YIELD 1 UNION ALL {w}",
    "YIELD 1 UNION DISTINCT {w}",
    "YIELD 1 INTERSECT {w}",
    "YIELD 1 MINUS {w}",
    "/* x */ {w}",
    "# x\n{w}",
    "// x\n{w}",
    "YIELD 'a;b' AS `c`; {w}",
    'YIELD "\\""; {w}',
    "  \n\t{w}",
    "YIELD 1 /* ; */ ; /* y */ {w} # z",
    'GO FROM "a" OVER knows YIELD dst(edge) AS d | {w}',
    'YIELD "# no comment"; {w}',
    "YIELD 1 AS a;;{w}",
]
BROKEN = [
    'YIELD "not closed',
    "YIELD 'not closed",
    "YIELD 1 /* not closed",
    "YIELD `x",
    "",
    "   ",
    "# only",
    "\x00",
    '"x"',
    "123",
]
READS = [
    "YIELD 1",
    "yield 1 AS a;",
    'GO FROM "a" OVER knows YIELD dst(edge) AS d',
    'GO 1 TO 3 STEPS FROM "a", "b" OVER * REVERSELY WHERE knows.degree > 3 YIELD DISTINCT dst(edge)',
    'GO FROM "a" OVER knows YIELD dst(edge) AS d | GO FROM $-.d OVER knows YIELD dst(edge)',
    '$x = GO FROM "a" OVER knows YIELD dst(edge) AS d; GO FROM $x.d OVER knows YIELD dst(edge)',
    'FETCH PROP ON person "a" YIELD properties(vertex)',
    'FETCH PROP ON * "a" YIELD vertex AS v',
    'FETCH PROP ON knows "a"->"b"@0 YIELD edge AS e',
    'LOOKUP ON person WHERE person.name == "x" YIELD id(vertex)',
    "MATCH (v:person) RETURN v LIMIT 3",
    'MATCH (v:person)-[e:knows*1..3]->(w) WHERE id(v) == "a" RETURN w, count(*) AS n ORDER BY n DESC',
    "OPTIONAL MATCH (v:person) RETURN v LIMIT 1",
    "MATCH p = shortestPath((a)-[*..5]-(b)) WHERE id(a) == 'x' RETURN p",
    "UNWIND [1, 2, 3] AS n RETURN n",
    "WITH 1 AS a RETURN a",
    "RETURN 1 + 2 AS three",
    'FIND SHORTEST PATH FROM "a" TO "b" OVER * YIELD path AS p',
    'FIND ALL PATH FROM "a" TO "b" OVER knows UPTO 4 STEPS YIELD path AS p',
    'GET SUBGRAPH 2 STEPS FROM "a" YIELD VERTICES AS v, EDGES AS e',
    "SHOW SPACES",
    "SHOW TAGS",
    "SHOW EDGES",
    "SHOW CREATE TAG person",
    "SHOW CREATE SPACE x",
    "SHOW TAG INDEXES",
    "SHOW STATS",
    "DESCRIBE TAG person",
    "DESC EDGE knows",
    "EXPLAIN MATCH (v:person) RETURN v LIMIT 1",
    'PROFILE GO FROM "a" OVER knows YIELD dst(edge)',
    'YIELD "DROP SPACE x; INSERT" AS text',
    "YIELD 'it is; DELETE VERTEX' AS text",
    "YIELD 1 # DROP SPACE x",
    "YIELD 1 // DELETE",
    "YIELD 1 /* INSERT VERTEX */ + 2",
    "MATCH (v:`insert`) RETURN v LIMIT 1",
    "MATCH (v:person) RETURN v.person.update AS u LIMIT 1",
    "LOOKUP ON person YIELD person.name AS n | ORDER BY $-.n | LIMIT 3",
    'GO FROM "a" OVER knows YIELD dst(edge) AS d | GROUP BY $-.d YIELD $-.d, count(*)',
    "(YIELD 1 AS a UNION YIELD 2 AS a) | YIELD sum($-.a)",
    "YIELD 1 AS a UNION ALL YIELD 2 AS a",
    "YIELD CASE WHEN (1 == 1) THEN 2 ELSE 3 END",
    "YIELD [x IN [1, 2] WHERE x > 1 | x + 1] AS l",
    "YIELD {a: 1, b: 'x'} AS m",
    'PROFILE FORMAT="row" GO FROM "a" OVER knows YIELD dst(edge)',
    "YIELD reduce(t = 0, n IN [1, 2] | t + n) AS r",
    "YIELD DISTINCT 1 AS a",
    "YIELD $p + 1 AS n",
    "MATCH (a)-[:knows]->(b) WHERE id(a) IN ['x'] AND (b.person.age > 1 OR b.person.age < 0) RETURN b",
]
ATTACKS = [*WRITES, *(WRAPS[n % len(WRAPS)].format(w=write) for n, write in enumerate(WRITES[:52])), *BROKEN]


def test_the_corpora_are_as_large_as_promised() -> None:
    assert len(set(ATTACKS)) >= 110
    assert len(READS) >= 45


@pytest.mark.parametrize("query", ATTACKS)
def test_reader_may_not_write(query: str) -> None:
    with pytest.raises(Capibara6Error) as caught:
        check(query, write=False)
    assert caught.value.status in (400, 403)


@pytest.mark.parametrize("wrap", WRAPS)
def test_no_wrapping_hides_a_write(wrap: str) -> None:
    with pytest.raises(Capibara6Error):
        check(wrap.format(w='DELETE VERTEX "a"'), write=False)


@pytest.mark.parametrize("query", READS)
def test_reader_may_read(query: str) -> None:
    assert check(query, write=False) == query


@pytest.mark.parametrize("query", WRITES[:50])
def test_writer_may_write(query: str) -> None:
    assert check(query, write=True) == query


@pytest.mark.parametrize("query", ["USE other", "YIELD 1; USE other", "use `other`", "YIELD 1 | USE other"])
def test_nobody_changes_the_space_of_a_session(query: str) -> None:
    with pytest.raises(Capibara6Error):
        check(query, write=True)
