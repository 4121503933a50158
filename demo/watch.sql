-- Notes the phases of the index builds that other sessions run, until none was seen for a while.
SELECT pg_advisory_lock(1) \g /dev/null
DO $$
DECLARE
  last timestamptz := clock_timestamp();
  met boolean := false;
BEGIN
  WHILE clock_timestamp() < last + CASE WHEN met THEN interval '1 second' ELSE interval '20 seconds' END LOOP
    PERFORM pg_stat_clear_snapshot();
    INSERT INTO seen
      SELECT regexp_replace(phase, '^building index: ', ''), clock_timestamp() FROM pg_stat_progress_create_index;
    IF FOUND THEN
      met := true;
      last := clock_timestamp();
    END IF;
    PERFORM pg_sleep(0.01);
  END LOOP;
END
$$;
