-- Branches in a server without the library preloaded: other sessions would not follow a branch, so there is none.
\set VERBOSITY default
\set SHOW_CONTEXT never
CREATE TABLE t (id int PRIMARY KEY);
SELECT heliosdb.create_branch('b');
SELECT heliosdb.recover_database('2025-01-01');
SELECT heliosdb.create_branch('main');
SELECT heliosdb.create_branch(NULL);
SELECT count(*) FROM heliosdb.tracked;

-- The carriers reach the same functions.
CREATE DATABASE b WITH branch_from = 'current';
CREATE DATABASE b WITH branch_from = 'current' as_of_scn = '5';
CREATE DATABASE b WITH branch_from = 'current' a = 1 a = 2;
ALTER DATABASE b WITH drop_branch = true;
ALTER DATABASE b WITH drop_branch = true branch_if_exists = true;
ALTER DATABASE b WITH drop_branch = true colour = red;
ALTER DATABASE main WITH merge_branch = 'b';
ALTER DATABASE main WITH merge_branch = 'b' colour = 'red';
ALTER DATABASE other WITH merge_branch = 'b';
SHOW branches \gdesc
SELECT branch_name, branch_id, parent_branch, state FROM heliosdb.branch_list;
SELECT branch_name, branch_id, parent_id, fork_point_lsn, status, parent_name, is_current FROM pg_database_branches();
SELECT * FROM pg_branch_stats();

-- The session.
SELECT heliosdb.current_branch();
SET heliosdb.branch = 'b';
SELECT heliosdb.use_branch('b');
SET heliosdb.branch = 'main';
SELECT heliosdb.current_branch();
RESET heliosdb.branch;
ALTER SYSTEM SET heliosdb.branch = 'main';
SHOW search_path;
SET search_path = pg_catalog, public;
SHOW search_path;
SELECT current_schemas(false);
RESET search_path;

-- Options, strategies.
SELECT heliosdb.check_branch_options('{"ttl": "2 days", "region": "eu", "replication_factor": 3, "metadata_owner": "x"}');
SELECT heliosdb.check_branch_options('{}');
SELECT heliosdb.check_branch_options('[]');
SELECT heliosdb.check_branch_options('{"ttl": "0"}');
SELECT heliosdb.check_branch_options('{"ttl": "soon"}');
SELECT heliosdb.check_branch_options('{"replication_factor": 0}');
SELECT heliosdb.check_branch_options('{"colour": "red"}');
SELECT heliosdb.merge_strategy('{}'), heliosdb.merge_strategy('{"strategy": "THEIRS"}'), heliosdb.merge_strategy('{"conflict_resolution": "target_wins", "strategy": "ours"}');
SELECT heliosdb.merge_strategy('{"conflict_resolution": "branch_wins", "strategy": "ours"}');
SELECT heliosdb.merge_strategy('{"strategy": "mine"}');
SELECT heliosdb.merge_strategy('{"delete_branch_after": "perhaps"}');
SELECT heliosdb.merge_strategy('{"colour": "red"}');

-- The catalogs are nobody's.
CREATE ROLE regress_branch_user;
SET ROLE regress_branch_user;
SELECT count(*) FROM pg_branches;
SELECT * FROM heliosdb.branches;
SELECT * FROM heliosdb.branch_relations;
INSERT INTO heliosdb.branches (id, name, owner) VALUES (7, 'x', 10);
SELECT heliosdb.create_branch('b');
RESET ROLE;
DROP ROLE regress_branch_user;
