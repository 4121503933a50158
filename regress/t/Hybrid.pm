# Rows of hybrid tables on the move, for tests that compare what is to be the same wherever rows lie. A test that knows
# nothing of them runs with them behind everywhere(): tables are hybrid, and between its statements rows move.
package Hybrid;
use strict;
use warnings;

use Exporter 'import';
our @EXPORT = qw(hybrid_sql move_rows everywhere);

# Functions in schema hybrid: moves(seed) writes statements that move rows of all hybrid tables but temporary ones, in
# ways that the seed chooses; cold() tells how many of all their rows are cold, stand_ins() what cold rows became of.
sub hybrid_sql
{
	return q{
	CREATE SCHEMA hybrid;
	CREATE VIEW hybrid.tables AS SELECT c.oid, c.oid::regclass::text AS name, c.reltoastrelid AS toast FROM pg_class c JOIN pg_am a ON a.oid = c.relam
		WHERE a.amname = 'heliosdb' AND c.relkind IN ('r', 'm') AND c.relpersistence <> 't';
	CREATE FUNCTION hybrid.moves(seed int, everything bool DEFAULT false) RETURNS SETOF text LANGUAGE sql AS $$
		SELECT CASE WHEN everything THEN format('SELECT heliosdb.move_to_cold(%L)', name)
			ELSE (ARRAY[format('SELECT heliosdb.move_to_cold(%L)', name), format('SELECT heliosdb.move_to_cold(%L)', name),
				format('SELECT heliosdb.move_to_cold(%L, max_rows => %s)', name, 3 + abs(draw) % 7),
				format('SELECT heliosdb.move_to_cold(%L, %L)', name, format('hashtext(%s::text) %% 2 = 0', (SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum LIMIT 1))),
				format('SELECT heliosdb.move_to_hot(%L)', name),
				format('SELECT heliosdb.move_to_hot(%L, %L)', name, format('hashtext(%s::text) %% 3 = 0', (SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum LIMIT 1))),
				format('SELECT heliosdb.recompress(%L)', name), format('SELECT heliosdb.recompress(%L, 0.1)', name),
				format('VACUUM %s', name), format('VACUUM (FREEZE) %s', name), format('VACUUM FULL %s', name)])[1 + abs(draw) % 11] END
		FROM (SELECT *, hashtext(name || seed) AS draw FROM hybrid.tables) t ORDER BY name $$;
	CREATE FUNCTION hybrid.cold(OUT cold bigint, OUT rows bigint) LANGUAGE plpgsql AS $$
	DECLARE t record; c bigint; n bigint;
	BEGIN
		cold := 0; rows := 0;
		FOR t IN SELECT * FROM hybrid.tables LOOP
			EXECUTE format('SELECT count(*) FILTER (WHERE (ctid::text::point)[0] >= 2147483648), count(*) FROM %s', t.name) INTO c, n;
			cold := cold + c; rows := rows + n;
		END LOOP;
	END $$;
	CREATE FUNCTION hybrid.stand_ins() RETURNS bigint LANGUAGE plpgsql AS $$
	DECLARE t record; n bigint; sum bigint := 0;
	BEGIN
		FOR t IN SELECT * FROM hybrid.tables LOOP
			EXECUTE format('SELECT count(*) FROM %s WHERE chunk_id BETWEEN 16 AND 16383', t.toast::regclass) INTO n;
			sum := sum + n;
		END LOOP;
		RETURN sum;
	END $$;};
}

# Moves rows of all hybrid tables of a database; returns what psql says. Tables may be dropped meanwhile.
sub move_rows
{
	my ($node, $database, $seed, $everything) = @_;
	my ($status, $out, $error) = $node->psql($database, 'SELECT * FROM hybrid.moves(' . int($seed) . ', ' . ($everything ? 'true' : 'false') . ") \\gexec", on_error_stop => 0);
	return $error;
}

# Lets all tables of databases in which the extension is created be hybrid, and rows move before every second call of
# psql() and safe_psql(). A test that ends after all others tells whether rows were cold.
sub everywhere
{
	my %databases;
	my ($calls, $cold, $rows, $stand_ins, $moving) = (0, 0, 0, 0, 0);
	my $psql = \&PostgreSQL::Test::Cluster::psql;
	my $stop = \&PostgreSQL::Test::Cluster::stop;
	my $done = \&Test::More::done_testing;
	no warnings 'redefine';
	*PostgreSQL::Test::Cluster::psql = sub {
		my ($node, $database, $sql, @rest) = @_;
		return $psql->(@_) if $moving;
		if ($sql =~ s/CREATE EXTENSION heliosdb\b/CREATE EXTENSION heliosdb; ALTER DATABASE $database SET default_table_access_method = heliosdb; SET default_table_access_method = heliosdb; @{[hybrid_sql()]}/)
		{
			$databases{$database} = 1;
		}
		elsif ($databases{$database} && $calls++ % 2 == 0)
		{
			$moving = 1;
			$psql->($node, $database, "SET lock_timeout = '100ms'; SET client_min_messages = warning; SELECT * FROM hybrid.moves($calls, " . ($calls % 3 ? 'true' : 'false') . ') \\gexec',
				on_error_stop => 0, stdout => \my $out, stderr => \my $error);
			if ($calls % 7 == 1 && $psql->($node, $database, 'SELECT *, hybrid.stand_ins() FROM hybrid.cold()', stdout => \$out, stderr => \$error) == 0)
			{
				my ($c, $r, $s) = split /\|/, $out;
				$cold += $c; $rows += $r; $stand_ins += $s;
			}
			$moving = 0;
		}
		return $psql->($node, $database, $sql, @rest);
	};
	*Test::More::done_testing = sub {
		Test::More::cmp_ok($cold, '>=', 0.3 * $rows, "$cold of $rows rows were cold");
		Test::More::cmp_ok($stand_ins, '>', 0, "some of those had been changed: $stand_ins");
		$done->(@_);
	};
}

1;
