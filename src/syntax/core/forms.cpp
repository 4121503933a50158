// The table of forms. A feature adds its entries here, and handles the carrier in its own room; an
// entry is switched on by `accepted` once its feature is there.
#include "syntax/core/form.hpp"

namespace helios::syntax {

namespace {

constexpr Form kForms[] = {
    {"index_method_last", FormPlace::kStatement, true,
     "CREATE [ UNIQUE <unique:mark> ] INDEX <head:first> ON <table:first> <columns:group> "
     "USING HNSW <rest:rest>",
     "CREATE [ ?unique UNIQUE ] INDEX $head ON $table USING hnsw $columns $rest",
     "index access method behind the columns"},

    {"materialized_view_options_last", FormPlace::kStatement, true,
     "CREATE MATERIALIZED VIEW <head:first> [ TABLESPACE <space:name> ] AS <query:last> "
     "WITH <options:group> [ WITH <data:rest> ]",
     "CREATE MATERIALIZED VIEW $head WITH $options [ TABLESPACE $space ] AS $query [ WITH $data ]",
     "options of a materialized view behind its query"},

    {"refresh_incrementally", FormPlace::kStatement, true,
     "REFRESH MATERIALIZED VIEW [ CONCURRENTLY ] <view:first> INCREMENTALLY",
     "ALTER MATERIALIZED VIEW $view SET ( heliosdb . refresh = 'incrementally' )",
     "refresh of a materialized view by what has changed"},
    {"materialized_view_option", FormPlace::kStatement, true,
     "ALTER MATERIALIZED VIEW <view:first> SET <option:name> = <value:rest>",
     "ALTER MATERIALIZED VIEW $view SET ( $option = $value )",
     "option of a materialized view without parentheses"},

    {"hybrid_storage_column", FormPlace::kStatement, true,
     "SET <scope:first> HYBRID_STORAGE { = | TO } COLUMN", "SET $scope hybrid_storage = 'column'",
     "a value of the setting that is a reserved word"},
    {"table_compression", FormPlace::kStatement, true,
     "ALTER TABLE <table:first> SET COMPRESSION <codec:label>",
     "ALTER TABLE $table SET ( heliosdb . compression = '$codec' )",
     "compression of the cold rows of a hybrid table"},

    {"create_branch", FormPlace::kStatement, true,
     "CREATE [ DATABASE ] BRANCH [ IF NOT EXISTS <exists:mark> ] <name:label> "
     "[ FROM { CURRENT | <parent:label> } ] "
     "[ AS OF { NOW | TIMESTAMP <time:string> | TRANSACTION <xid:number> | SCN <scn:number> } ] "
     "[ WITH <options:group> ]",
     "CREATE DATABASE $name WITH branch_from = [ '$parent' ] [ !parent 'current' ] "
     "[ ?exists branch_if_not_exists = true ] [ as_of_timestamp = $time ] "
     "[ as_of_transaction = '$xid' ] [ as_of_scn = '$scn' ] [ @options ]",
     "new branch of the database"},
    {"drop_branch", FormPlace::kStatement, true,
     "DROP [ DATABASE ] BRANCH [ IF EXISTS <exists:mark> ] <name:label>",
     "ALTER DATABASE $name WITH drop_branch = true [ ?exists branch_if_exists = true ]",
     "removal of a branch"},
    {"merge_branch", FormPlace::kStatement, true,
     "MERGE [ DATABASE ] BRANCH <source:label> INTO <target:label> [ WITH <options:group> ]",
     "ALTER DATABASE $target WITH merge_branch = '$source' [ @options ]",
     "merge of one branch into another"},
    {"use_branch", FormPlace::kStatement, true, "USE [ DATABASE ] BRANCH <name:label>",
     "SET heliosdb . branch = '$name'", "branch of the session"},
    {"show_branches", FormPlace::kStatement, true, "SHOW DATABASE BRANCHES", "SHOW branches",
     "list of branches"},
    {"recover_database", FormPlace::kStatement, true, "RECOVER DATABASE TO TIMESTAMP <time:string>",
     "SELECT * FROM heliosdb . recover_database ( $time )", "new branch as of an instant"},

    {"as_of", FormPlace::kTable, true,
     "AS OF { TIMESTAMP <time:expr> | TRANSACTION <xid:expr> | <time:string> | NOW } "
     "[ { AS <alias:name> | <alias:alias> } [ <columns:group> ] ]",
     "$table [ AS $alias ] [ $columns ] [ TABLESAMPLE heliosdb . as_of ( $time ) ] "
     "[ TABLESAMPLE heliosdb . as_of_transaction ( $xid ) ]",
     "table as it was at an instant, or when a transaction had committed"},
    {"as_of_scn", FormPlace::kTable, true,
     "AS OF SCN <scn:expr> [ { AS <alias:name> | <alias:alias> } [ <columns:group> ] ]",
     "$table [ AS $alias ] [ $columns ] TABLESAMPLE heliosdb . as_of_scn ( $scn )",
     "table as it was at a system change number"},
    {"versions_between", FormPlace::kTable, true,
     "VERSIONS BETWEEN { { TIMESTAMP | SCN } MINVALUE <first:mark> | MINVALUE <first:mark> | "
     "TIMESTAMP <low:expr> | TRANSACTION <low_xid:expr> | SCN <low_scn:expr> | "
     "NOW <low_now:mark> | <low:string> } "
     "AND { { TIMESTAMP | SCN } MAXVALUE <last:mark> | MAXVALUE <last:mark> | "
     "TIMESTAMP <high:expr> | TRANSACTION <high_xid:expr> | SCN <high_scn:expr> | "
     "NOW <last:mark> | <high:string> | <high_scn:number> } "
     "[ { AS <alias:name> | <alias:alias> } [ <columns:group> ] ]",
     "( SELECT versions . * , heliosdb . versions_startscn ( versions . * ) AS versions_startscn , "
     "heliosdb . versions_starttime ( versions . * ) AS versions_starttime , "
     "heliosdb . versions_endscn ( versions . * ) AS versions_endscn , "
     "heliosdb . versions_endtime ( versions . * ) AS versions_endtime , "
     "heliosdb . versions_xid ( versions . * ) AS versions_xid , "
     "heliosdb . versions_operation ( versions . * ) AS versions_operation "
     "FROM $table AS versions TABLESAMPLE heliosdb . versions ( "
     "[ $low ] [ heliosdb . commit_time ( $low_xid ) ] [ ?first '-infinity' ] "
     "[ ?low_now 'infinity' ] [ ?low_scn NULL ] , [ $low_scn ] [ !low_scn NULL ] , "
     "[ $high ] [ heliosdb . commit_time ( $high_xid ) ] [ ?last 'infinity' ] "
     "[ ?high_scn NULL ] , [ $high_scn ] [ !high_scn NULL ] ) ) "
     "AS [ $alias ] [ !alias $name ] [ $columns ]",
     "all versions of the rows of a table between two moments"},
};

}  // namespace

std::span<const Form> Forms() { return kForms; }

}  // namespace helios::syntax
