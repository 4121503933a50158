# Hybrid tables when processes end at the worst moments, and on a standby: every row is there exactly once, by every way to it.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;
use lib $FindBin::RealBin;
use Session;
use Time::HiRes qw(sleep);

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init(allows_streaming => 1);
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'heliosdb'
max_prepared_transactions = 5
restart_after_crash = on
autovacuum = off
fsync = off
wal_level = logical
});
$node->start;
sub sql { return $node->safe_psql('postgres', $_[0]); }

my $has_amcheck = sql(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'amcheck'});
sql('CREATE EXTENSION heliosdb');
sql('CREATE EXTENSION amcheck') if $has_amcheck;
for my $table (qw(items twin))
{
	my $how = $table eq 'items' ? 'heliosdb' : 'heap';
	sql(qq{
		CREATE TABLE $table (id int PRIMARY KEY, n int, note text, tags int[]) USING $how;
		CREATE INDEX ${table}_n ON $table (n);
		CREATE INDEX ${table}_note ON $table (left(lower(note), 20)) WHERE n > 10;
		CREATE INDEX ${table}_tags ON $table USING gin (tags);
		INSERT INTO $table SELECT i, i % 100, CASE WHEN i % 50 = 0 THEN (SELECT string_agg(md5(i || '-' || j), '') FROM generate_series(1, 200) j) ELSE 'note ' || i END, ARRAY[i % 7, i % 11] FROM generate_series(1, 2500) i});
}
sql(q{CREATE UNLOGGED TABLE passing (id int PRIMARY KEY, n int) USING heliosdb; INSERT INTO passing SELECT i, i FROM generate_series(1, 1000) i;});
sub both { (my $h = $_[0]) =~ s/%T/items/g; (my $t = $_[0]) =~ s/%T/twin/g; sql("BEGIN; $h; $t; COMMIT"); return; }
my $max_ctid = '(0,0)';

my @ways = ('SET enable_indexscan = off; SET enable_bitmapscan = off', 'SET enable_seqscan = off; SET enable_bitmapscan = off', 'SET enable_seqscan = off; SET enable_indexscan = off; SET enable_indexonlyscan = off');
my $digest = q{SELECT md5(string_agg(record_send(r)::text, '' ORDER BY id)) FROM %T r};
my @queries = ($digest, 'SELECT count(*), sum(id) FROM %T WHERE id > 0', 'SELECT count(*), sum(id) FROM %T WHERE n = 17', q{SELECT count(*), sum(id) FROM %T WHERE n > 10 AND left(lower(note), 20) > 'note 2'},
	q{SELECT count(*), sum(id) FROM %T WHERE tags @> '{3}'}, 'SELECT count(*) FROM %T WHERE id BETWEEN 100 AND 3000');

# Compares the table with its twin as a server sees them.
sub check
{
	my ($server, $what) = @_;
	my @wrong;
	for my $way (@ways)
	{
		my @got = map { my $table = $_; join '|', split /\n/, $server->safe_psql('postgres', join ';', $way, map { (my $q = $_) =~ s/%T/$table/g; $q } @queries) } qw(items twin);
		push @wrong, "$way: $got[0] instead of $got[1]" if $got[0] ne $got[1];
	}
	ok(!@wrong, "$what: rows are right by every way") or diag(join "\n", @wrong);
	if ($has_amcheck && $server == $node)
	{
		my ($status, $out, $err) = $server->psql('postgres', q{SELECT count(bt_index_check(i.indexrelid, true)) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
			WHERE c.relam = (SELECT oid FROM pg_am WHERE amname = 'btree') AND (t.relname = 'items' OR t.oid = (SELECT reltoastrelid FROM pg_class WHERE relname = 'items'))});
		is($err, '', "$what: amcheck finds all rows in btree indexes");
	}
	return;
}

# Starts a session that runs SQL up to a pause point; returns its handle and backend.
sub pause_at
{
	my ($point, $sql) = @_;
	my $offset = -s $node->logfile;
	my $session = Session->new($node);
	my $pid = $session->ok('SELECT pg_backend_pid()');
	$session->ok("SET heliosdb.pause_point = '$point'");
	$session->send($sql);
	for (1 .. 600)
	{
		last if slurp_file($node->logfile, $offset) =~ /pause point reached: \Q$point\E/;
		$session->is_done;
		sleep 0.05;
	}
	like(slurp_file($node->logfile, $offset), qr/pause point reached: \Q$point\E/, "$point: reached");
	return ($session, $pid);
}

# ---- kill -9 of a session at each point, and of the postmaster ----
my $round = 0;
sql(q{SELECT heliosdb.move_to_cold('items', 'id % 3 = 0')});
for my $point (qw(hybrid_move_before_sort hybrid_move_before_indexes hybrid_move_after_chunk hybrid_before_freeze hybrid_recompress_before_entry hybrid_recompress_after_chunk hybrid_vacuum_after_indexes))
{
	for my $victim (qw(session postmaster))
	{
		$round++;
		both("UPDATE %T SET n = n + 1 WHERE id % 37 = $round; DELETE FROM %T WHERE id % 61 = $round; INSERT INTO %T SELECT 10000 + $round * 100 + i, i, 'new', '{3}' FROM generate_series(1, 40) i");
		sql('VACUUM items') if $round % 2 && $point !~ /vacuum/;
		my $work = $point =~ /move/ ? q{SELECT heliosdb.move_to_cold('items')} : $point =~ /freeze/ ? "DELETE FROM items WHERE id = (SELECT min(id) FROM items WHERE (ctid::text::point)[0] >= 2147483648 AND id > $round * 90)"
			: $point =~ /recompress/ ? q{SELECT heliosdb.recompress('items')} : 'VACUUM items';
		$max_ctid = sql('SELECT max(ctid) FROM items');
		sql('ALTER TABLE items ' . ($victim eq 'session' || $point =~ /sort/ ? q{SET (order_by = 'n DESC, id')} : 'RESET (order_by)'));
		my ($session, $pid) = pause_at($point, $work);
		my $offset = -s $node->logfile;
		if ($victim eq 'postmaster')
		{
			$node->kill9;
			for (1 .. 300) { last unless kill 0, $pid; sleep 0.1; }
			$node->start;
		}
		else
		{
			kill 'KILL', $pid;
			for (1 .. 600) { last if slurp_file($node->logfile, $offset) =~ /database system is ready to accept connections/; sleep 0.1; }
		}
		$session->{psql}->kill_kill;
		check($node, "$point, the $victim is killed");
		# What follows gets numbers that were never used, and works on what was left.
		if ($point =~ /move/)
		{
			sql('CREATE TEMP TABLE before AS SELECT id FROM items WHERE (ctid::text::point)[0] < 2147483648; SELECT heliosdb.move_to_cold(\'items\', \'id % 2 = 1\')');
			is(sql("SELECT count(*) FROM items WHERE id % 2 = 1 AND (ctid::text::point)[0] < 2147483648"), '0', 'rows move afterwards');
			is(sql("SELECT count(*) - count(DISTINCT ctid) FROM items"), '0', 'each to a place of its own');
		}
		else { both("DELETE FROM %T WHERE id % 53 = $round"); }
		check($node, "after $point and another change") if $victim eq 'postmaster';
	}
}
is(sql('SELECT count(*) FROM passing'), '0', 'an unlogged table is empty after a crash');
sql(q{INSERT INTO passing SELECT i, i FROM generate_series(1, 100) i; });
is(sql(q{SELECT heliosdb.move_to_cold('passing'); SELECT count(*) FROM passing WHERE id > 0}), "100\n100", 'and can be used again');
sql('VACUUM items; VACUUM FULL items');
check($node, 'VACUUM FULL');
sql('REINDEX TABLE items');

# ---- Prepared transactions, across a crash ----
sql(q{SELECT heliosdb.move_to_cold('items')});
sql(q{BEGIN; SAVEPOINT a; DELETE FROM items WHERE id % 5 = 0; SAVEPOINT b; UPDATE items SET n = -1 WHERE id % 5 = 1; ROLLBACK TO b; UPDATE items SET n = n + 1 WHERE id % 5 = 2; PREPARE TRANSACTION 'kept'});
check($node, 'a transaction is prepared');
$node->kill9;
$node->start;
check($node, 'a transaction is prepared, after a crash');
my ($status, $out, $err) = $node->psql('postgres', 'SET lock_timeout = 300; DELETE FROM items WHERE id = (SELECT min(id) FROM items WHERE id % 5 = 2)');
like($err, qr/lock timeout/, 'rows that it has changed are locked');
sql(q{COMMIT PREPARED 'kept'; DELETE FROM twin WHERE id % 5 = 0; UPDATE twin SET n = n + 1 WHERE id % 5 = 2});
check($node, 'and is committed');
sql(q{BEGIN; SELECT heliosdb.move_to_cold('items'); DELETE FROM items WHERE id % 7 = 1; PREPARE TRANSACTION 'undone'});
$node->restart('immediate');
sql(q{ROLLBACK PREPARED 'undone'});
check($node, 'another one is rolled back');

# ---- Pages that were all visible: index-only scans after a move, and after a crash ----
sql('VACUUM items; CHECKPOINT');
both('INSERT INTO %T SELECT i, 5, $$visible$$, $${1}$$ FROM generate_series(50001, 52000) i');
sql('VACUUM (FREEZE) items; VACUUM (FREEZE) twin; CHECKPOINT');
my $only = 'SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT count(*) FROM items WHERE id > 50000';
like(sql("SET enable_seqscan = off; SET enable_bitmapscan = off; EXPLAIN (COSTS off) SELECT count(*) FROM items WHERE id > 50000"), qr/Index Only Scan/, 'an index-only scan');
sql(q{SELECT heliosdb.move_to_cold('items', 'id > 50000 AND id % 2 = 0')});
is(sql($only), '2000', 'sees rows once after a move');
$node->kill9;
$node->start;
is(sql($only), '2000', 'and after a crash');
check($node, 'all visible before the move');

# ---- A standby ----
$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf', "max_standby_streaming_delay = 500ms\nhot_standby_feedback = on\n");
$standby->start;
for my $feedback ('on', 'off')
{
	$standby->append_conf('postgresql.conf', "hot_standby_feedback = $feedback\n");
	$standby->reload;
	both("INSERT INTO %T SELECT i, 6, 'more', '{2}' FROM generate_series(60001, 62000) i ON CONFLICT DO NOTHING");
	sql('VACUUM items; VACUUM twin');
	$node->wait_for_catchup($standby);
	check($standby, "standby, feedback $feedback");
	my $reader = Session->new($standby);
	my $seen = "BEGIN ISOLATION LEVEL REPEATABLE READ; " . ($digest =~ s/%T/items/r);
	my $before = $reader->ok($seen);
	sleep 0.5 if $feedback eq 'on';
	my @changes = (sub { sql(q{SELECT heliosdb.move_to_cold('items', 'id % 3 > 0')}) }, sub { both('UPDATE %T SET n = n + 1 WHERE id % 9 = 2') }, sub { both('DELETE FROM %T WHERE id % 31 = 3') },
		sub { sql('VACUUM items') }, sub { sql(q{SELECT heliosdb.recompress('items')}); sql('VACUUM items') }, sub { sql(q{SELECT heliosdb.move_to_hot('items', 'id % 10 = 0')}) }, sub { both('DELETE FROM %T WHERE n = 6'); sql('VACUUM items; VACUUM items') });
	for my $change (0 .. $#changes)
	{
		$changes[$change]->();
		$node->wait_for_catchup($standby);
		for my $way (@ways)
		{
			# Where standbys do not tell, what is seen there may have to go; never is it seen wrong.
			my ($again, $error) = eval { $reader->run("$way; " . ($digest =~ s/%T/items/r) . ($way =~ /enable_seqscan/ ? ' WHERE id > 0' : '')) };
			if ($feedback eq 'off' && (!defined $error || $error =~ /conflict with recovery|connection|aborted/))
			{
				eval { $reader->{psql}->kill_kill };
				$reader = Session->new($standby);
				$before = $reader->ok($seen);
				next;
			}
			is($again . $error, $before, "standby, feedback $feedback, change $change: an older snapshot sees what it saw");
		}
		check($standby, "standby, feedback $feedback, change $change");
		is($standby->safe_psql('postgres', $only), sql($only), 'index-only scans see rows once there');
	}
	eval { $reader->{psql}->kill_kill };
}
$standby->promote;
check($standby, 'promoted');
is($standby->safe_psql('postgres', q{SELECT heliosdb.move_to_cold('items') > 0}), 't', 'rows move there');
check($standby, 'promoted, after a move');
unlike(slurp_file($_->logfile), qr/PANIC|TRAP/, 'no server has panicked') for $node, $standby;
$standby->stop;
$node->stop;
done_testing();
