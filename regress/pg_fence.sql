-- The fence between C++ and PostgreSQL: every exception becomes an error of the right SQLSTATE, every error unwinds
-- the C++ frames that it passes. Needs the test functions of DEV=1.
SELECT to_regproc('heliosdb.test_throw') IS NULL AS no_test_functions \gset
\if :no_test_functions
  \quit
\endif

-- Runs a statement; gives what the client would be told, and the objects left alive.
CREATE FUNCTION attempt(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  result text;
  detail text;
  hint text;
BEGIN
  EXECUTE statement INTO result;
  RETURN result;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RETURN concat_ws(' / ', sqlstate, sqlerrm, nullif(detail, ''), nullif(hint, ''), heliosdb.test_alive() || ' alive');
END
$$;

-- C++ exceptions.
SELECT kind, attempt(format('SELECT heliosdb.test_throw(%L)', kind)) AS outcome
FROM unnest(ARRAY['runtime_error', 'bad_alloc', 'invalid_argument', 'length_error', 'int', 'format']) kind;
-- Long texts are cut between letters; bytes that are no text of the database never reach the client.
SELECT kind, left(outcome, 8) AS start, length(outcome) BETWEEN 100 AND 600 AS bounded,
       convert_from(textsend(outcome), 'UTF8') = outcome AS legal
FROM unnest(ARRAY['long', 'letters', 'shifted letters']) kind, attempt(format('SELECT heliosdb.test_throw(%L)', kind)) outcome;
SELECT attempt('SELECT heliosdb.test_throw(''no text'')');

-- Without a subtransaction around, the statement fails and the session goes on.
\set VERBOSITY sqlstate
SELECT heliosdb.test_throw('runtime_error');
SELECT heliosdb.test_throw('int');
\set VERBOSITY default
SELECT heliosdb.test_alive();

-- PostgreSQL's errors keep everything on their way through C++.
CREATE FUNCTION fails() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the message' USING ERRCODE = 'HX001', DETAIL = 'the detail', HINT = 'the hint',
    COLUMN = 'a column', CONSTRAINT = 'a constraint', DATATYPE = 'a type', TABLE = 'a table', SCHEMA = 'a schema';
END
$$;
CREATE FUNCTION works() RETURNS integer LANGUAGE sql AS 'SELECT 5';
SELECT heliosdb.test_call('works()', 10), heliosdb.test_watch('works()'), heliosdb.test_alive();
SELECT frames, attempt(format('SELECT heliosdb.test_call(''fails()'', %s)', frames)) AS outcome
FROM unnest(ARRAY[1, 2, 10]) frames;
SELECT attempt('SELECT heliosdb.test_watch(''fails()'')');
DO $$
DECLARE
  state text; col text; con text; typ text; tab text; sch text; ctx text;
BEGIN
  PERFORM heliosdb.test_call('fails()', 3);
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, col = COLUMN_NAME, con = CONSTRAINT_NAME, typ = PG_DATATYPE_NAME,
    tab = TABLE_NAME, sch = SCHEMA_NAME, ctx = PG_EXCEPTION_CONTEXT;
  RAISE NOTICE '%, %, %, %, %, %', state, col, con, typ, tab, sch;
  RAISE NOTICE '%', ctx;
END
$$;

-- Errors that PostgreSQL raises itself, and one that passes the fence many times.
CREATE FUNCTION divides() RETURNS integer LANGUAGE sql AS 'SELECT 1 / (random() < 0)::int';
CREATE FUNCTION through() RETURNS integer LANGUAGE sql AS $$ SELECT heliosdb.test_call('fails()', 2) $$;
CREATE FUNCTION through_again() RETURNS integer LANGUAGE sql AS $$ SELECT heliosdb.test_call('through()', 2) $$;
SELECT function, attempt(format('SELECT heliosdb.test_call(%L, 2)', function)) AS outcome
FROM unnest(ARRAY['divides()', 'through()', 'through_again()']) function;
SELECT kind, attempt(format('SELECT heliosdb.test_nest(%L)', kind)) AS outcome
FROM unnest(ARRAY['runtime_error', 'bad_alloc', 'invalid_argument', 'length_error', 'int']) kind;
SELECT heliosdb.test_return(), heliosdb.test_alive();

-- A function that catches its error in a subtransaction, called through the fence, leaves nothing behind.
CREATE TABLE log (n int);
CREATE FUNCTION catches() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO log VALUES (1);
  BEGIN
    INSERT INTO log VALUES (2);
    PERFORM heliosdb.test_call('fails()', 4);
  EXCEPTION WHEN SQLSTATE 'HX001' THEN
    INSERT INTO log VALUES (3);
  END;
  BEGIN
    INSERT INTO log VALUES (4);
    PERFORM heliosdb.test_throw('bad_alloc');
  EXCEPTION WHEN out_of_memory THEN
    INSERT INTO log VALUES (5);
  END;
  RETURN 6;
END
$$;
BEGIN;
SELECT heliosdb.test_call('catches()', 3), heliosdb.test_alive();
SAVEPOINT s;
\set VERBOSITY sqlstate
SELECT heliosdb.test_call('fails()', 3);
SELECT 1;
\set VERBOSITY default
ROLLBACK TO s;
SELECT heliosdb.test_call('catches()', 3), heliosdb.test_alive();
COMMIT;
SELECT array_agg(n) FROM log;

-- Objects of a memory context end with it: at commit, at abort, and when the statement that made them fails.
BEGIN;
SELECT heliosdb.test_own(false), heliosdb.test_own(false);
SELECT heliosdb.test_alive();
COMMIT;
SELECT heliosdb.test_alive();
BEGIN;
SELECT heliosdb.test_own(false);
ROLLBACK;
SELECT heliosdb.test_alive();
\set VERBOSITY terse
SELECT heliosdb.test_own(true);
\set VERBOSITY default
SELECT heliosdb.test_alive();

-- Cancelling stops kernels and loops at once; a subtransaction may catch it by name only.
CREATE FUNCTION cancelled(how text, out state text, out soon boolean) LANGUAGE plpgsql AS $$
BEGIN
  PERFORM heliosdb.test_spin(how);
EXCEPTION WHEN query_canceled THEN
  state := sqlstate;
  soon := clock_timestamp() - statement_timestamp() < '1 second';
END
$$;
SET statement_timeout = '100ms';
SELECT state, soon, heliosdb.test_alive() FROM cancelled('kernel');
SELECT state, soon, heliosdb.test_alive() FROM cancelled('fence');
\set VERBOSITY sqlstate
SELECT attempt('SELECT heliosdb.test_spin(''kernel'')');
\set VERBOSITY default
RESET statement_timeout;
SELECT heliosdb.test_alive();
-- Other requests to the session, such as to log its memory, do not stop a kernel.
SELECT heliosdb.test_other_interrupt();

-- Repeated errors keep the memory as it is.
CREATE FUNCTION repeat_errors(times int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1..times LOOP
    BEGIN
      PERFORM heliosdb.test_throw(CASE i % 4 WHEN 0 THEN 'long' WHEN 1 THEN 'bad_alloc' WHEN 2 THEN 'int' ELSE 'letters' END);
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
    BEGIN
      PERFORM heliosdb.test_call('fails()', 10);
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
  END LOOP;
END
$$;
SELECT repeat_errors(20);
SELECT heliosdb.test_memory() AS before \gset
SELECT repeat_errors(200);
SELECT heliosdb.test_memory() - :before < 65536 AS memory_stays, heliosdb.test_alive();

DROP TABLE log;
DROP FUNCTION attempt(text), fails(), works(), divides(), through(), through_again(), catches(), cancelled(text), repeat_errors(int);
