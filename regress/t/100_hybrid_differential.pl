# The same random work on a hybrid table and on a heap: outcomes, errors and rows must be equal, for those who come now
# and for those who go on with an older snapshot, by sequential scans, by every index and by bitmaps.
#
# HELIOS_SEED chooses the work, HELIOS_STEPS how much of it (make soak).
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use FindBin;
use lib $FindBin::RealBin;
use Session;

my $seed = $ENV{HELIOS_SEED} // 100;
my $steps = $ENV{HELIOS_STEPS} // 50;
srand($seed);
sub any { return int(rand($_[0])); }
sub one_of { return $_[any(scalar @_)]; }

my $node = PostgreSQL::Test::Cluster->new('differential');
$node->init;
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'heliosdb'
autovacuum = off
fsync = off
jit = off
});
$node->start;
my $main = Session->new($node);
sub sql { return $main->ok($_[0]); }

sql(<<'SQL');
CREATE EXTENSION heliosdb;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN short AS text CHECK (length(value) < 9);
CREATE FUNCTION mix(n int, salt int) RETURNS int IMMUTABLE LANGUAGE sql AS
  'SELECT hashint4extended(n, salt)::bit(64)::bit(31)::int';
CREATE FUNCTION noise(n int, bytes int) RETURNS text IMMUTABLE LANGUAGE sql AS
  $$ SELECT string_agg(encode(sha512((n || ' ' || i)::bytea), 'base64'), '') FROM generate_series(1, bytes / 90 + 1) i $$;
CREATE FUNCTION columns(OUT kind int, OUT code text, OUT big bigint, OUT money numeric(12,2), OUT loose numeric, OUT note text,
  OUT long text, OUT doc jsonb, OUT tags text[], OUT uid uuid, OUT x float8, OUT y float4, OUT day date, OUT at timestamptz,
  OUT yes bool, OUT raw bytea, OUT duo pair, OUT feel mood, OUT brief short, OUT fixed char(7), OUT lasts interval, OUT letter "char",
  OUT bits varbit, OUT small int2, OUT who name, OUT nums numeric[], id int, salt int) IMMUTABLE LANGUAGE sql AS $$
  SELECT m % 20, 'c' || id % 3 || '-' || m % 5000, m::bigint * m * CASE m % 2 WHEN 0 THEN 1 ELSE -1 END, m % 100000 / 100.0,
    CASE m % 9 WHEN 0 THEN 'NaN' WHEN 1 THEN 'Infinity' WHEN 2 THEN '-Infinity' WHEN 3 THEN NULL ELSE (m / 7.0)::numeric(40, 10)::text END::numeric,
    CASE WHEN m % 6 = 0 THEN NULL WHEN m % 6 = 1 THEN '' ELSE 'note ' || m % 300 END,
    CASE m % 40 WHEN 0 THEN noise(m, 9000) WHEN 1 THEN noise(m, 2500) WHEN 2 THEN repeat('long ', 3000) WHEN 3 THEN NULL ELSE repeat('b', m % 90) END,
    CASE WHEN m % 8 = 0 THEN NULL ELSE jsonb_build_object('k', m % 30, 'list', jsonb_build_array(m % 3, NULL, 'x')) END,
    CASE WHEN m % 5 = 0 THEN '{}' ELSE ARRAY['t' || m % 11, NULL, 't' || m % 7] END,
    md5(m::text)::uuid, CASE m % 11 WHEN 0 THEN 'NaN' WHEN 1 THEN '-0' WHEN 2 THEN 'Infinity' ELSE m / 3.0 END::float8,
    CASE m % 11 WHEN 3 THEN 'NaN' WHEN 4 THEN '-0' WHEN 5 THEN NULL ELSE (m % 1000)::text END::float4,
    CASE m % 13 WHEN 0 THEN 'infinity' WHEN 1 THEN '-infinity' WHEN 2 THEN NULL ELSE '2000-01-01'::date + m % 9999 END,
    CASE m % 13 WHEN 3 THEN 'infinity' ELSE '2020-01-01 00:00+00'::timestamptz + m % 99999 * interval '1 second' END,
    m % 3 = 0, CASE WHEN m % 7 = 0 THEN '' ELSE sha256(m::text::bytea) END, CASE WHEN m % 10 = 0 THEN NULL ELSE ROW(m % 5, NULL)::pair END,
    (ARRAY['sad', 'ok', 'happy'])[1 + m % 3]::mood, (m % 9999)::text, (m % 999)::text, make_interval(m % 20, m % 12, 0, m % 40, 0, m % 50), chr(65 + m % 26)::"char",
    (m % 64)::bit(6)::varbit, (m % 3000)::int2, 'name' || m % 50, CASE WHEN m % 4 = 0 THEN NULL ELSE ARRAY[m % 100 / 10.0, 'NaN'] END
  FROM (SELECT mix(id, salt)) s(m) $$;
SQL

my @columns = qw(kind code big money loose note long doc tags uid x y day at yes raw duo feel brief fixed lasts letter bits small who nums);
my $extras = 0;
my @extras;

for my $table (qw(hybrid twin))
{
	my $how = $table eq 'hybrid' ? 'heliosdb' : 'heap';
	sql(qq{
		CREATE TABLE $table (gone text DEFAULT 'gone', id int PRIMARY KEY, kind int, code text UNIQUE, big bigint, money numeric(12,2), loose numeric, note text,
			long text, doc jsonb, tags text[], uid uuid, x float8, y float4, day date, at timestamptz, yes bool, raw bytea, duo pair,
			feel mood, brief short, fixed char(7), lasts interval, letter "char", bits varbit, small int2, who name, nums numeric[]) USING $how;
		ALTER TABLE $table DROP COLUMN gone;
		CREATE INDEX ${table}_kind ON $table (kind, day);
		CREATE INDEX ${table}_lower ON $table (lower(note)) WHERE yes;
		CREATE INDEX ${table}_loose ON $table (loose) INCLUDE (id);
		CREATE INDEX ${table}_tags ON $table USING gin (tags);
		CREATE INDEX ${table}_doc ON $table USING gin (doc jsonb_path_ops);
		CREATE INDEX ${table}_uid ON $table USING hash (uid);
		CREATE INDEX ${table}_point ON $table USING gist (point(id, kind));
		CREATE INDEX ${table}_note ON $table USING spgist (note);
		CREATE TABLE ${table}_log (op text, old int, new int, what text);
		CREATE FUNCTION log_$table() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
			INSERT INTO ${table}_log VALUES (TG_OP || TG_NAME, CASE WHEN TG_OP <> 'INSERT' THEN OLD.id END, CASE WHEN TG_OP <> 'DELETE' THEN NEW.id END,
				md5(concat(CASE WHEN TG_OP <> 'INSERT' THEN record_send(OLD) END, CASE WHEN TG_OP <> 'DELETE' THEN record_send(NEW) END))); RETURN NULL; END \$\$;
		CREATE TRIGGER now AFTER INSERT OR UPDATE OR DELETE ON $table FOR EACH ROW EXECUTE FUNCTION log_$table();
		CREATE CONSTRAINT TRIGGER later AFTER UPDATE OR DELETE ON $table DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION log_$table()});
}

# Rows that each index finds, and settings for each way to read a table.
sub predicates
{
	my $id = any(2000);
	return ('id >= 0', "id BETWEEN $id AND " . ($id + any(900)), "id IN ($id, " . join(', ', map { any(3000) } 1 .. 5) . ')',
		'kind = ' . any(20), "kind = " . any(20) . " AND day > '2010-01-01'", 'yes AND lower(note) BETWEEN \'note 1\' AND \'note 2\'',
		"loose = 'NaN'", 'loose < ' . any(10000000), "tags @> '{t" . any(8) . "}'", 'doc @> \'{"k": ' . any(30) . '}\'',
		"uid = (SELECT min(uid::text) FROM twin WHERE id > $id)::uuid", "point(id, kind) <@ box '($id, 0), (" . ($id + 300) . ", 10)'",
		'big > ' . (any(2) ? any(4000000) : -any(4000000)), 'money BETWEEN ' . any(900) . ' AND ' . any(1000) . ' OR x > ' . any(100) . ' AND small IS NOT NULL',
		"day < '2010-01-01'::date + " . any(6000) . ' AND day >= (SELECT min(day) FROM twin WHERE id > ' . any(2000) . ')', 'y IS NULL AND yes IS NULL',
		"note = 'note " . any(300) . "'", "code = (SELECT max(code) FROM twin WHERE id < $id)", "id % 7 = 1 AND kind IN (3, 5) AND tags @> '{t3}'");
}
my %ways = (
	sequential => 'enable_indexscan = off; enable_bitmapscan = off; enable_indexonlyscan = off',
	parallel => 'enable_indexscan = off; enable_bitmapscan = off; enable_indexonlyscan = off; parallel_setup_cost = 0; parallel_tuple_cost = 0; min_parallel_table_scan_size = 0; debug_parallel_query = off',
	index => 'enable_seqscan = off; enable_bitmapscan = off',
	bitmap => 'enable_seqscan = off; enable_indexscan = off; enable_indexonlyscan = off; effective_io_concurrency = 10',
);

# One statement, so one snapshot: the differences of both tables, and what they hold.
my $exact = q{SELECT count(*) FROM ((SELECT record_send(h) FROM hybrid h EXCEPT ALL SELECT record_send(t) FROM twin t) UNION ALL
	(SELECT record_send(t) FROM twin t EXCEPT ALL SELECT record_send(h) FROM hybrid h)) d};
my $share = q{SELECT count(*) FILTER (WHERE (ctid::text::point)[0] >= 2147483648) >= 0.3 * count(*) FROM hybrid};
my $trouble = 0;

# Says in which rows and columns the tables differ.
sub describe
{
	my ($session) = @_;
	my @differences = map {
		my $found = $session->ok("SELECT string_agg(format('%s at %s: %s, not %s', id, h.ctid, left(h.${_}::text, 60), left(t.${_}::text, 60)), E'\\n') FROM hybrid h JOIN twin t USING (id)
			WHERE record_send(ROW(h.$_)) <> record_send(ROW(t.$_))");
		$found eq '' ? () : "$_: $found" } @columns, @extras;
	return join "\n", $session->ok('SELECT string_agg(concat(id, h.ctid), \' \') FROM hybrid h FULL JOIN twin t USING (id) WHERE h.id IS NULL OR t.id IS NULL'), @differences;
}

# Compares both tables as a session sees them.
sub compare
{
	my ($session, $what) = @_;
	my @wrong;
	push @wrong, 'rows differ: ' . describe($session) if $session->ok($exact) ne '0';
	my @some = map { $_->[1] } sort { $a->[0] <=> $b->[0] } map { [ rand(), $_ ] } predicates();
	for my $way (sort keys %ways)
	{
		my @settings = grep { !/debug_parallel/ } split /; /, $ways{$way};
		$session->ok(join '; ', map { "SET $_" } @settings);
		for my $where (@some[0 .. 4])
		{
			my ($h, $t) = map {
				"(SELECT ROW(count(*), sum(id), min(big), md5(string_agg(record_send(r)::text, '' ORDER BY id))) FROM $_ r WHERE $where)" } qw(hybrid twin);
			my ($few, $few_t) = map { "(SELECT ROW(count(*), sum(id), count(loose)) FROM $_ WHERE $where)" } qw(hybrid twin);
			push @wrong, "$way: $where" if $session->ok("SELECT $h = $t AND $few = $few_t") ne 't';
		}
		$session->ok(join '; ', map { /(\w+)/; "RESET $1" } @settings);
	}
	ok(!@wrong, "seed $seed, $what") or diag(join "\n", @wrong), $trouble++;
	return;
}

# ---- Sessions: three that write, each its own rows; two that go on with what they saw; one that moves ----
my @writers = map { { session => Session->new($node), class => $_, open => 0, depth => 0 } } 0 .. 2;
my @readers = map { { session => Session->new($node), open => 0, touched => 0, digest => '' } } 0 .. 1;
my $mover = Session->new($node);

# Says the same to both tables; outcome and error must be equal.
sub both
{
	my ($session, $statement) = @_;
	my @told;
	for my $table (qw(hybrid twin))
	{
		(my $text = $statement) =~ s/%T/$table/g;
		my ($out, $err) = $session->run($text);
		s/\b(hybrid|twin)/T/g for $out, $err;
		# Which of several rows is met first is nobody's business.
		$err =~ s/^DETAIL:.*\n//mg;
		push @told, "$out\n$err";
	}
	return if $told[0] eq $told[1];
	is($told[0], $told[1], "seed $seed, both say the same: $statement");
	$trouble++;
	return;
}

sub columns { return join ', ', @columns; }
sub salt { return any(1 << 30); }
sub of_class { my $id = any(2000); return $id - $id % 3 + $_[0]; }

# Rows of one class.
sub some_rows
{
	my ($class) = @_;
	my $id = of_class($class);
	my ($salt, $kind, $part) = (salt(), any(20), 5 + any(40));
	return "id % 3 = $class AND " . one_of(
		"id = $id", "id BETWEEN $id AND " . ($id + any(200)), "mix(id, $salt) % $part = 0", "kind = $kind AND mix(id, $salt) % 3 = 0",
		"note IS NULL AND mix(id, $salt) % 4 = 0", "tags \@> '{t" . any(7) . "}' AND mix(id, $salt) % 5 = 0");
}

sub change
{
	my ($class) = @_;
	my ($id, $salt, $rows) = (of_class($class), salt(), some_rows($class));
	my $names = columns();
	my $counted = 'RETURNING id, md5(record_send(%T)::text) AS m) SELECT count(*), sum(id), min(m) FROM d';
	# A row never takes the place of another one that changes: that would go by the order in which they are stored.
	my $column = one_of(grep { $_ ne 'code' } @columns);
	my $others = join ', ', grep { $_ ne 'code' } @columns;
	return one_of(
		"INSERT INTO %T (id, $names) SELECT $id, $names FROM columns($id, $salt)",
		"INSERT INTO %T (id, $names) SELECT $id + 3 * i, $names FROM generate_series(1, " . (10 + any(150)) . ") i, columns($id + 3 * i, $salt) c ON CONFLICT DO NOTHING",
		"INSERT INTO %T (id, $names) SELECT $id + 3 * i, $names FROM generate_series(1, 20) i, columns($id + 3 * i, $salt) c ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, long = excluded.long, loose = NULL",
		"INSERT INTO %T (id, $names) SELECT 3000 + $id, $names FROM columns($id, $salt) ON CONFLICT (code) DO UPDATE SET big = %T.big + 1 WHERE %T.yes",
		"WITH d AS (UPDATE %T SET $column = (columns(id, $salt)).$column WHERE $rows $counted",
		"UPDATE %T SET kind = kind + 1, note = note || '!', x = -x, big = -big WHERE $rows",
		"UPDATE %T SET long = repeat(coalesce(note, '-'), 900), doc = doc || '{\"u\": 1}' WHERE $rows",
		"UPDATE %T SET ($others) = (SELECT $others FROM columns(%T.id, $salt)) WHERE $rows",
		"UPDATE %T SET id = id + 3 * 5000 WHERE id = $id",
		"UPDATE %T SET code = id || '-' || $salt WHERE $rows",
		"UPDATE %T SET id = id WHERE $rows",
		"WITH d AS (DELETE FROM %T WHERE $rows $counted",
		"DELETE FROM %T WHERE $rows",
		"MERGE INTO %T USING generate_series($id, $id + 90, 3) s(i) ON id = s.i WHEN MATCHED AND kind < 8 THEN DELETE WHEN MATCHED THEN UPDATE SET small = small + 1 "
		  . "WHEN NOT MATCHED THEN INSERT (id, kind, note) VALUES (s.i, 77, 'merged')",
		"WITH l AS (SELECT id FROM %T WHERE $rows ORDER BY id FOR " . one_of('UPDATE', 'NO KEY UPDATE', 'SHARE', 'KEY SHARE') . ') SELECT count(*), sum(id) FROM l',
		"COPY (SELECT $id + 6000 + 3 * i, $names FROM generate_series(1, 30) i, columns($id + 3 * i, $salt) c) TO '/tmp/helios_differential_$$'; COPY %T (id, $names) FROM '/tmp/helios_differential_$$'",
		"BEGIN; SAVEPOINT inner_a; UPDATE %T SET kind = 5 WHERE $rows; ROLLBACK TO inner_a; DELETE FROM %T WHERE id = $id; COMMIT",
		"DO \$\$ DECLARE r record; c CURSOR FOR SELECT id FROM %T WHERE $rows FOR UPDATE; BEGIN FOR r IN c LOOP IF r.id % 2 = 0 THEN UPDATE %T SET big = 1 WHERE CURRENT OF c; "
		  . "ELSIF r.id % 5 = 0 THEN DELETE FROM %T WHERE CURRENT OF c; END IF; END LOOP; END \$\$",
		"DO \$\$ BEGIN UPDATE %T SET kind = kind + 1 WHERE $rows; RAISE division_by_zero; EXCEPTION WHEN division_by_zero THEN UPDATE %T SET small = 1 WHERE id = $id; END \$\$");
}

sub write_something
{
	my $writer = one_of(@writers);
	my $session = $writer->{session};
	if (!$writer->{open})
	{
		$session->ok('BEGIN');
		$writer->{open} = 1;
		$writer->{depth} = 0;
	}
	for (1 .. 1 + any(3))
	{
		if (any(4) == 0) { $session->ok('SAVEPOINT s' . ++$writer->{depth}); }
		my $statement = change($writer->{class});
		$statement =~ s/^BEGIN; |; COMMIT$//g;
		both($session, $statement);
		if ($writer->{depth} && any(4) == 0) { $session->ok(one_of('ROLLBACK TO s', 'RELEASE s') . $writer->{depth}--); }
	}
	end_writer($writer) if any(2);
	return;
}

sub end_writer
{
	my ($writer) = @_;
	$writer->{session}->ok(any(4) ? 'COMMIT' : 'ROLLBACK') if $writer->{open};
	$writer->{open} = 0;
	return;
}

sub end_writers { end_writer($_) for @writers; return; }

# Ends a reader, or begins one that has not looked at the tables yet, or that has.
sub open_reader
{
	my ($touch) = @_;
	my ($reader) = grep { !$_->{open} } @readers or return;
	$reader->{open} = 1;
	$reader->{touched} = $touch;
	$reader->{session}->ok('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
	$reader->{digest} = digest($reader) if $touch;
	return;
}

sub digest { return $_[0]{session}->ok(q{SELECT md5(string_agg(record_send(h)::text, '' ORDER BY id)) FROM hybrid h}); }

sub end_readers
{
	my ($only_touched) = @_;
	for my $reader (grep { $_->{open} && (!$only_touched || $_->{touched}) } @readers)
	{
		$reader->{session}->ok('COMMIT');
		$reader->{open} = 0;
	}
	return;
}

sub check_readers
{
	my ($what) = @_;
	for my $reader (grep { $_->{open} } @readers)
	{
		compare($reader->{session}, "$what: an older snapshot");
		if ($reader->{touched}) { is(digest($reader), $reader->{digest}, "seed $seed, $what: a snapshot sees the same again") or $trouble++; }
		else { $reader->{digest} = digest($reader); $reader->{touched} = 1; }
	}
	return;
}

sub move
{
	my ($condition) = @_;
	return sql(sprintf q{SELECT heliosdb.move_to_cold('hybrid', $$%s$$%s)}, $condition, any(3) ? '' : ', ' . (1 + any(400)));
}

sub some_to_move { return one_of('true', 'id % 2 = ' . any(2), 'kind < ' . any(20), 'id < ' . any(3000), 'note IS NOT NULL', 'mix(id, ' . salt() . ') % 3 = 0'); }

# Has chunks be made in another order from now on, or in none.
sub set_order
{
	my @by = map { $_ . one_of('', ' DESC', ' NULLS FIRST') } grep { any(6) == 0 } 'id', @columns;
	sql('ALTER TABLE hybrid ' . (@by ? sprintf q{SET (order_by = '%s')}, join ', ', @by : 'RESET (order_by)'));
	return "an order: @by";
}

# Sees to it that comparisons say something: a third of the rows is cold, some cold ones have ended.
sub keep_cold
{
	if (sql($share) ne 't')
	{
		end_writers();
		end_readers(0);
		sql(q{SELECT heliosdb.move_to_cold('hybrid', 'mix(id, ' || } . any(1000) . q{ || ') % 3 > 0')});
		my $salt = salt();
		both($main, "UPDATE %T SET small = -1 WHERE mix(id, $salt) % 40 = 0");
		both($main, "DELETE FROM %T WHERE mix(id, $salt) % 50 = 1");
	}
	return;
}

# What needs a table without open transactions on it; older snapshots that have not looked at it go on.
my @quiet = (
	sub { 'VACUUM FULL %T' }, sub { 'CLUSTER %T USING %T_pkey' }, sub { 'CLUSTER %T USING %T_kind' }, sub { 'REINDEX TABLE %T' },
	sub { 'REINDEX INDEX %T_' . one_of(qw(pkey tags uid note point lower)) });
# What makes older snapshots see less, or wait.
my @changing = (
	sub { push @extras, 'extra' . ++$extras; "ALTER TABLE %T ADD COLUMN $extras[-1] " . one_of("text DEFAULT 'd$extras'", 'int DEFAULT 5', 'numeric', "int[] DEFAULT '{1,2}'") },
	sub { @extras ? "ALTER TABLE %T DROP COLUMN " . splice(@extras, any(scalar @extras), 1) : 'ANALYZE %T' },
	sub { 'REINDEX TABLE CONCURRENTLY %T' },
	sub { 'DROP INDEX CONCURRENTLY %T_loose; CREATE INDEX CONCURRENTLY %T_loose ON %T (loose) INCLUDE (id)' },
	sub { 'DROP INDEX %T_kind; CREATE INDEX %T_kind ON %T (kind, day)' },
	sub { @columns > 18 ? do { my $c = one_of(grep { !/^(kind|code|big|money|loose|note|long|doc|tags|uid|x|y|day|yes|small)$/ } @columns); @columns = grep { $_ ne $c } @columns; "ALTER TABLE %T DROP COLUMN $c" } : 'ANALYZE %T' },
	sub { any(3) ? 'ANALYZE %T' : "ALTER TABLE %T ADD COLUMN extra" . ++$extras . ' float8 DEFAULT random() * 0; ALTER TABLE %T ALTER COLUMN small TYPE int USING small + 0' });

both($main, 'INSERT INTO %T (id, ' . columns() . ') SELECT i, ' . columns() . ' FROM generate_series(1, 1200) i, columns(i, 7) c ON CONFLICT DO NOTHING');
set_order();
ok(move('id % 5 > 0') > 0, 'rows move');
both($main, 'UPDATE %T SET note = note || 1 WHERE id % 17 = 0');
both($main, 'DELETE FROM %T WHERE id % 19 = 0');

for my $step (1 .. $steps)
{
	my $what = "step $step";
	my $kind = any(100);
	if ($kind < 55) { write_something(); $what .= ', writes'; }
	elsif ($kind < 58)
	{
		end_writers();
		end_readers(1);
		my $c = some_to_move() . ' AND id % 4 = 0';
		sql(qq{SELECT heliosdb.move_to_hot('hybrid', \$\$$c\$\$)});
		$what .= ", a move back: $c";
	}
	elsif ($kind < 59) { $what .= ', ' . set_order(); }
	elsif ($kind < 61) { sql(q{SELECT heliosdb.recompress('hybrid'} . one_of('', ', 0', ', 0.1') . ')'); $what .= ', chunks made anew'; }
	elsif ($kind < 72) { my $c = some_to_move(); move($c); $what .= ", a move: $c"; }
	elsif ($kind < 77)
	{
		# A move that is not over; what others write meanwhile is new.
		my $c = some_to_move();
		$mover->ok('BEGIN');
		$mover->ok(sprintf q{SELECT heliosdb.move_to_cold('hybrid', $$%s$$)}, $c);
		compare($mover, "step $step, in the transaction that moves $c") if any(3) == 0;
		check_readers($what) if any(2);
		compare($main, "step $step, while $c moves");
		$mover->ok(one_of('COMMIT', 'ROLLBACK'));
		$what .= ", a move that took its time: $c";
	}
	elsif ($kind < 82) { open_reader(any(2)); $what .= ', a reader'; }
	elsif ($kind < 88) { both($main, one_of('VACUUM %T', 'VACUUM (FREEZE, DISABLE_PAGE_SKIPPING) %T', 'ANALYZE %T')); $what .= ', VACUUM'; }
	elsif ($kind < 94)
	{
		end_writers();
		end_readers(1);
		my $statement = one_of(@quiet)->();
		both($main, $statement);
		$what .= ", $statement";
	}
	else
	{
		end_writers();
		end_readers(0);
		my $statement = one_of(@changing)->();
		both($main, $_) for split /; /, $statement;
		$what .= ", $statement";
	}
	keep_cold();
	note($what);
	compare($main, $what);
	check_readers($what) if $step % 3 == 0;
	end_readers(0) if any(12) == 0;
	last if $trouble > 3;
}

end_writers();
end_readers(0);
is(sql('SELECT count(*) FROM ((TABLE hybrid_log EXCEPT ALL TABLE twin_log) UNION ALL (TABLE twin_log EXCEPT ALL TABLE hybrid_log)) d'), '0', "seed $seed, triggers have seen the same");
move('true');
both($main, 'DELETE FROM %T WHERE id % 23 = 0');
compare($main, 'the end');
is(sql($share), 't', 'cold rows are there to the end');
# What moves at once lies in its order.
sql(q{SELECT heliosdb.move_to_hot('hybrid'); ALTER TABLE hybrid SET (order_by = 'kind DESC, note, id'); SELECT heliosdb.move_to_cold('hybrid')});
is(sql(q{SELECT count(*) FROM (SELECT row_number() OVER (ORDER BY ctid) AS lies, row_number() OVER (ORDER BY kind DESC, note, id) AS belongs FROM hybrid
	WHERE (ctid::text::point)[0] >= 2147483648) r WHERE lies <> belongs}), '0', 'chunks are in order');
compare($main, 'in order');
my $toast = sql(q{SELECT reltoastrelid::regclass FROM pg_class WHERE relname = 'hybrid'});
isnt(sql("SELECT count(*) FROM $toast WHERE chunk_id BETWEEN 16 AND 16383 AND get_byte(chunk_data, 0) = 2"), '0', 'and such that have ended');
unlink "/tmp/helios_differential_$$";
$_->quit for $main, $mover, map { $_->{session} } @writers, @readers;
$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal/, 'the server has stayed up');
done_testing();
