-- Interval texts of settings against type interval. Needs the test functions of DEV=1.
SELECT to_regproc('heliosdb.test_interval') IS NULL AS no_test_functions \gset
\if :no_test_functions
  \quit
\endif

-- What the text should give: months as 30 days, days as 24 hours, null when malformed, negative or too large.
CREATE FUNCTION expected(value text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
  parsed interval;
  microseconds numeric;
BEGIN
  parsed := value::interval;
  microseconds := ((extract(year FROM parsed) * 12 + extract(month FROM parsed)) * 30 + extract(day FROM parsed)) * 86400000000
    + extract(hour FROM parsed) * 3600000000 + extract(minute FROM parsed) * 60000000 + extract(microsecond FROM parsed);
  RETURN CASE WHEN microseconds BETWEEN 0 AND 9223372036854775807 THEN microseconds END;
EXCEPTION WHEN OTHERS THEN
  RETURN NULL;
END
$$;

SELECT left(value, 20) AS value, heliosdb.test_interval(value) FROM unnest(ARRAY[
  '7 days', '30 days', 'P7D', '1 month', '1 year', '1 week', '36 hours', '1.5 days', '0', '1 us', '-1 us', '', ' ', 'abc', '7 days ago', '1 century',
  'P1Y2M3DT4H5M6.7S', 'P0001-02-03T04:05:06', '1-2', '3 4:05:06', '@ 1 minute', '106751991 days', '106751992 days', 'infinity', '-infinity', 'NaN',
  '1 day 1 day', '1 mon 1 mon', '7', '1e3 seconds', repeat('1 day ', 30), repeat('x', 300)]) WITH ORDINALITY u(value, n) ORDER BY n;

-- Every style in which an interval is written is read back, and random texts mean the same to both.
CREATE TABLE texts (value text);
SELECT setseed(0.42);
INSERT INTO texts
SELECT (ARRAY['', '', '', '@ ', 'P', 'PT', '-', '+'])[1 + (random() * 7)::int] ||
  string_agg((ARRAY['', '', '', '-'])[1 + (random() * 3)::int] || (ARRAY['0', '1', '7', '30', '1.5', '99999', '2147483648', '04:05:06.789', '1-2'])[1 + (random() * 8)::int] ||
             (ARRAY['', ' ', ' '])[1 + (random() * 2)::int] ||
             (ARRAY['us', 'ms', 'seconds', 'min', 'h', 'days', 'D', 'weeks', 'mon', 'M', 'years', 'Y', 'decade', 'S', 'T', 'ago', 'parsec', ''])[1 + (random() * 17)::int], ' ')
FROM generate_series(1, 20000) i, generate_series(1, 3) j WHERE random() < 0.6 GROUP BY i;
INSERT INTO texts SELECT make_interval((random() * 5)::int, (random() * 20)::int, 0, (random() * 60)::int, (random() * 30)::int, 0, random() * 100)::text FROM generate_series(1, 500);
SET intervalstyle = iso_8601;
INSERT INTO texts SELECT make_interval((random() * 5)::int, (random() * 20)::int, 0, (random() * 60)::int, (random() * 30)::int, 0, random() * 100)::text FROM generate_series(1, 500);
SET intervalstyle = postgres_verbose;
INSERT INTO texts SELECT make_interval((random() * 5)::int, (random() * 20)::int, 0, (random() * 60)::int, (random() * 30)::int, 0, random() * 100)::text FROM generate_series(1, 500);
RESET intervalstyle;
SELECT value, heliosdb.test_interval(value), expected(value) FROM texts WHERE heliosdb.test_interval(value) IS DISTINCT FROM expected(value) ORDER BY value COLLATE "C" LIMIT 10;
SELECT count(*) > 20000 AS many, count(heliosdb.test_interval(value)) > 5000 AS many_read, count(*) - count(heliosdb.test_interval(value)) > 5000 AS many_refused FROM texts;
DROP TABLE texts;
DROP FUNCTION expected(text);
