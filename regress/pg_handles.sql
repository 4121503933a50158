-- Handles and hook chains of the boundary. Needs the test functions of DEV=1.
SELECT to_regproc('heliosdb.test_spi') IS NULL AS no_test_functions \gset
\if :no_test_functions
  \quit
\endif

-- Both functions on one hook run, each exactly once for every statement.
SELECT heliosdb.test_hooks_install();
SELECT heliosdb.test_hooks_calls() > 0 AS both_ran;
SELECT heliosdb.test_hooks_calls() AS before \gset
SELECT heliosdb.test_hooks_calls() - :before AS once;

-- SPI with C++ objects alive: results, NULL, no row, errors with their SQLSTATE, and the session goes on.
CREATE TABLE notes (id int, note text);
SELECT heliosdb.test_spi('INSERT INTO notes VALUES (1, ''first''), (2, NULL) RETURNING note');
SELECT heliosdb.test_spi('SELECT note FROM notes WHERE id = 2') = '' AS null_is_empty;
SELECT heliosdb.test_spi('SELECT note FROM notes WHERE id = 3') = '' AS no_row_is_empty;
\set VERBOSITY sqlstate
SELECT heliosdb.test_spi('SELECT 1 / 0');
SELECT heliosdb.test_spi('SELECT nothing FROM nowhere');
\set VERBOSITY default
DO $$
BEGIN
  PERFORM heliosdb.test_spi('SELECT 1 / 0');
EXCEPTION WHEN division_by_zero THEN
  RAISE NOTICE 'caught: %', sqlerrm;
END
$$;
SELECT heliosdb.test_spi('SELECT count(*) FROM notes');

-- Relation handles close what they open, also on the way out of an error.
SELECT heliosdb.test_blocks('notes'::regclass);
\set VERBOSITY sqlstate
SELECT heliosdb.test_blocks(0::oid);
\set VERBOSITY default
DROP TABLE notes;
