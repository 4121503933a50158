#!/usr/bin/env bash
# Runs PostgreSQL's own regression suites with tables of the access method heliosdb, and compares what they
# print with heap tables file by file: check_am.sh PG_SRC.
#
#   heap   the extension is in every database, tables are heap tables
#   hot    default_table_access_method = heliosdb
#   cold   the same, and behind every statement that may have written rows all rows are moved that can be
#          (suite_sql.py puts a call behind them, and takes its echo out of the output again)
#
# Plans and the order of lines are set aside (suite_diff.py). What else may differ is listed in
# regress/am_differences, with the number of lines and the reason. After any other difference the heap
# tables run once more, to tell which files are unstable by themselves. Outputs stay in build/check_am/.
#
#   HELIOS_RUNS="hot cold"   runs these only, against what earlier runs left in build/check_am/
set -euo pipefail
# shellcheck source=tools/core_suites.sh
. "$(dirname "$0")/core_suites.sh"

# Moves what can be moved, except inside a transaction block, where the rows just written cannot.
move_all="
CREATE PROCEDURE heliosdb.move_all() LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog SET lock_timeout = '100ms' AS \$\$
DECLARE
  rel regclass;
BEGIN
  IF transaction_timestamp() <> statement_timestamp() OR current_setting('transaction_read_only')::boolean THEN
    RETURN;
  END IF;
  FOR rel IN SELECT c.oid FROM pg_class c JOIN pg_am a ON a.oid = c.relam AND a.amname = 'heliosdb'
             WHERE NOT pg_is_other_temp_schema(c.relnamespace) LOOP
    BEGIN
      IF pg_relation_size(rel) > 0 THEN PERFORM heliosdb.move_to_cold(rel); END IF;
    EXCEPTION WHEN OTHERS THEN RAISE LOG 'rows of % do not move: %', rel, SQLERRM;
    END;
  END LOOP;
END \$\$;"

# Runs the suites in a new cluster: run NAME [LINE…].
run() {
  local database
  suites_start "shared_preload_libraries = 'heliosdb, plpgsql'" 'autovacuum = off' "${@:2}"
  cluster_psql -q -d postgres -c "UPDATE pg_database SET datallowconn = true WHERE datname = 'template0'"
  for database in postgres template1 template0; do
    cluster_psql -q -v ON_ERROR_STOP=1 -d $database -c 'SET default_table_access_method = heap' \
      -c 'CREATE EXTENSION heliosdb' -c "$move_all"
  done
  suites_run "$1"
}

# Rewrites the suites' scripts, or takes the calls out of what the run $2 printed.
calls() { # add|remove
  local suite
  for suite in "${suites[@]}"; do
    if [ "$1" = add ]; then
      # psql's own tests ask for what became of the last statement.
      find "$cluster/core/$suite/sql" -name '*.sql' ! -name psql.sql -exec python3 "$TOP/tools/suite_sql.py" add {} +
    else
      python3 "$TOP/tools/suite_sql.py" remove "$out/$2/$suite"/results/*.out
    fi
  done
}

runs=${HELIOS_RUNS:-heap hot cold}
suites_open "${1:-}"
rm -rf "${out:?}/heap-again"
for name in $runs; do
  rm -rf "${out:?}/$name"
  case $name in
    heap) run heap ;;
    hot) run hot "default_table_access_method = 'heliosdb'" ;;
    cold)
      calls add
      run cold "default_table_access_method = 'heliosdb'"
      calls remove cold
      ;;
  esac
done

status=0
differ() { python3 "$TOP/tools/suite_diff.py" "$out" "$TOP/regress/am_differences" hot cold; }
if ! differ >/dev/null; then
  if [ -z "${HELIOS_RUNS:-}" ]; then
    cp -R "$src"/src/test/regress/sql/. "$cluster/core/regress/sql"
    cp -R "$src"/src/pl/plpgsql/src/sql/. "$cluster/core/plpgsql/sql"
    run heap-again
  fi
fi
differ || status=$?
exit $status
