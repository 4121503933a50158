# What PostgreSQL says to a mistyped statement stays as it is, to the letter.
#
#   corpus   the statements of regress/data/syntax, in three servers' eyes: with the syntax layer, with it switched off
#            in the session, and without the library; alone, as a prepared statement of the extended protocol, and in
#            EXECUTE inside DO; and the lines in the server's log
#   mutants  valid statements with tokens deleted, swapped, doubled, replaced: with the layer on and off
#
# HELIOS_SYNTAX_SEED and HELIOS_SYNTAX_MUTANTS choose other mutants and more of them.
use strict;
use warnings;

use Encode qw(decode encode);
use File::Basename qw(dirname);
use IPC::Run qw(run);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $data = dirname(__FILE__) . '/../data/syntax';
my $marker = '@@';
my $chunk = 400;
my $shown = 5;

my %off = (PGOPTIONS => '-c heliosdb.syntax=off');
my %on = (PGOPTIONS => '-c heliosdb.syntax=on');

# ---- Servers ----

sub new_node
{
	my ($name, @conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(extra => [ '--locale=C', '--encoding=UTF8' ]);
	# The logs are compared: nothing in them may come from elsewhere.
	$node->append_conf('postgresql.conf', join("\n", @conf, "log_line_prefix = ''", 'log_statement = none',
		'log_connections = off', 'log_disconnections = off', 'log_checkpoints = off', 'autovacuum = off', "lc_messages = 'C'", ''));
	$node->start;
	$node->safe_psql('postgres', 'CREATE DATABASE shop');
	$node->safe_psql('shop', slurp_file("$data/setup.sql"));
	return $node;
}

my $node = new_node('library', "shared_preload_libraries = 'heliosdb'");
my $stock = new_node('stock');
$node->safe_psql('postgres', 'CREATE EXTENSION heliosdb');
is($node->safe_psql('postgres', 'SELECT installed AND in_use FROM heliosdb.syntax_status()'), 't', 'the redirect is installed');

# ---- Statements ----

# One statement a line; a line that begins with a tab goes on with it, # begins a comment.
sub read_statements
{
	my ($file) = @_;
	my @statements;
	for my $line (split /\n/, slurp_file("$data/$file.sql"))
	{
		next if $line =~ /^#/ || $line eq '';
		if ($line =~ /^\t/ && @statements) { $statements[-1] .= "\n$line"; }
		else { push @statements, $line; }
	}
	return @statements;
}

my $token = qr/
	--[^\n]* | \/\*(?:[^*]|\*(?!\/))*\*\/
	| [eE]'(?:[^'\\]|\\.|'')*' | (?:[uU]&|[bBxXnN])?'(?:[^']|'')*'
	| (?:[uU]&)?"(?:[^"]|"")*"
	| \$\d+
	| \d+(?:\.\d+)?(?:[eE][+-]?\d+)? | \.\d+
	| [A-Za-z_\x80-\xff][\w\$\x80-\xff]*
	| :: | := | => | \.\. | [~!@\#%^&|?+\-*<>=\/]+ | [^\s]
/xs;

# Splits a statement into tokens; returns none if a string or comment has no end, or blanks between them would matter.
sub tokens_of
{
	my ($text) = @_;
	my @tokens;
	pos($text) = 0;
	while ($text =~ /\G\s*/gc, pos($text) < length $text)
	{
		if ($text =~ /\G(\$(?:[A-Za-z_]\w*)?\$)/gc)
		{
			my $tag = $1;
			return () unless $text =~ /\G(.*?\Q$tag\E)/gcs;
			push @tokens, $tag . $1;
			next;
		}
		$text =~ /\G($token)/gc or return ();
		my $found = $1;
		# 1ORDER and 1 ORDER are not the same.
		return () if $found =~ /^[.\$]?\d/ && $text =~ /\G\w/;
		# What is left of a quote, comment or backslash has no end.
		return () if $found =~ /^["'\\`]$/ || $found =~ /^[^\w'"].*\/\*/s
			|| $found =~ /^[^\w'"-].*--/ || $found =~ /^\/\*(?!.*\*\/$)/s;
		push @tokens, $found;
	}
	return @tokens;
}

# ---- Ways to the server ----

# Runs psql; returns what it printed about each statement, notices and errors after rows.
sub run_psql
{
	my ($server, $database, $environment, $count, $arguments, $input) = @_;
	local %ENV = (%ENV, ref $environment ? %$environment : ());
	my ($out, $err) = ('', '');
	run [ 'psql', '-XAq', '-v', 'VERBOSITY=verbose', '-v', 'SHOW_CONTEXT=always', '-d', $server->connstr($database), @$arguments ],
		'<', \$input, '>', \$out, '2>', \$err;
	my @answers = ('') x $count;
	my $seen = 0;
	for my $printed ($out, $err)
	{
		while ($printed =~ /^\Q$marker\E (\d+)\n(.*?)(?=^\Q$marker\E )/gms)
		{
			$answers[$1] .= $2;
			$seen++;
		}
	}
	die "psql lost its way: $seen answers to $count statements\n$err" if $seen != 2 * $count;
	s/^LOCATION:.*\n//gm for @answers;
	return @answers;
}

# Each statement alone in the simple protocol, just as it is.
sub simple
{
	my ($server, $database, $environment, @statements) = @_;
	my @arguments;
	for my $i (0 .. $#statements)
	{
		push @arguments, map { ('-c', $_) } "\\echo $marker $i", "\\warn $marker $i", $statements[$i];
	}
	push @arguments, '-c', "\\echo $marker .", '-c', "\\warn $marker .";
	return run_psql($server, $database, $environment, scalar @statements, \@arguments, '');
}

# Each statement in a failed transaction: it is parsed, and then refused.
sub parse_only
{
	my ($server, $database, $environment, @statements) = @_;
	my @arguments;
	for my $i (0 .. $#statements)
	{
		push @arguments, map { ('-c', $_) } 'BEGIN; SELECT 1/0', "\\echo $marker $i", "\\warn $marker $i",
			($statements[$i] =~ /^\\/ ? " $statements[$i]" : $statements[$i]), "\\echo $marker .", "\\warn $marker .";
	}
	return run_psql($server, $database, $environment, scalar @statements, \@arguments, '');
}

# Each statement prepared and described in the extended protocol; parsed and analysed, never executed.
sub describe
{
	my ($server, $database, $environment, @statements) = @_;
	my $input = '';
	for my $i (0 .. $#statements)
	{
		my $text = join(' ', map { $_ eq ';' ? '\;' : $_ =~ /^--/ ? "$_\n" : $_ } tokens_of($statements[$i]));
		$input .= "\\echo $marker $i\n\\warn $marker $i\n$text\n\\gdesc\n";
	}
	$input .= "\\echo $marker .\n\\warn $marker .\n";
	return run_psql($server, $database, $environment, scalar @statements, [], $input);
}

# Each statement in EXECUTE.
sub execute
{
	my ($server, $database, $environment, @statements) = @_;
	return simple($server, $database, $environment,
		map { "DO \$do\$BEGIN EXECUTE \$execute\$$_\$execute\$; END\$do\$" } @statements);
}

# What heliosdb.flux_to_sql says about each text: [same | changed | raises, translation or message].
sub translations
{
	my (@texts) = @_;
	my $file = $node->basedir . '/texts';
	unlink $file;
	append_to_file($file, join('', map { "$_\t" . unpack('H*', $texts[$_]) . "\n" } 0 .. $#texts));
	my $rows = $node->safe_psql('postgres', qq{
		CREATE TEMP TABLE texts (i int, hex text);
		COPY texts FROM '$file';
		CREATE FUNCTION pg_temp.state(query text, OUT state text, OUT result text) LANGUAGE plpgsql AS \$\$
		BEGIN
			result := heliosdb.flux_to_sql(query);
			state := CASE WHEN result = query THEN 'same' ELSE 'changed' END;
		EXCEPTION WHEN OTHERS THEN
			state := 'raises';
			result := SQLSTATE || ': ' || SQLERRM;
		END \$\$;
		SELECT state, encode(convert_to(result, 'UTF8'), 'hex')
		FROM texts, pg_temp.state(convert_from(decode(hex, 'hex'), 'UTF8')) ORDER BY i});
	return map { my ($state, $hex) = split /\|/, $_, -1; [ $state, pack('H*', $hex) ] } split /\n/, $rows;
}

# ---- The corpus ----

# Reports the statements whose answers differ, and passes if there are none.
sub same_answers
{
	my ($statements, $got, $expected, $name) = @_;
	my @wrong = grep { $got->[$_] ne $expected->[$_] } 0 .. $#$statements;
	is(scalar @wrong, 0, "$name: same answers to " . @$statements . ' statements');
	splice @wrong, $shown if @wrong > $shown;
	diag("$statements->[$_]\n--- expected\n$expected->[$_]--- got\n$got->[$_]") for @wrong;
	return;
}

# Runs a corpus in one server or session; returns answers and new lines of the log.
sub answers
{
	my ($server, $environment, $way, $statements) = @_;
	my $offset = -s $server->logfile;
	$server->safe_psql('postgres', 'CREATE DATABASE corpus TEMPLATE shop');
	my @answers = $way->($server, 'corpus', $environment, @$statements);
	my $log = substr(slurp_file($server->logfile), $offset);
	$server->safe_psql('postgres', 'DROP DATABASE corpus');
	return (\@answers, $log);
}

my %ways = ('alone' => \&simple, 'prepared' => \&describe, 'in EXECUTE' => \&execute);
my $corpus_size = 0;
for my $file (qw(dml ddl utility expressions literals bodies near_misses forms))
{
	my @all = read_statements($file);
	$corpus_size += @all;
	for my $way (sort keys %ways)
	{
		my @statements = $way eq 'prepared' ? grep { my @tokens = tokens_of($_); @tokens } @all : @all;
		for my $encoding ($file eq 'literals' ? qw(UTF8 LATIN1) : qw(UTF8))
		{
			my $name = "$file, $way, $encoding";
			my ($plain, $plain_log) = answers($stock, { PGCLIENTENCODING => $encoding }, $ways{$way}, \@statements);
			my ($with_off, $off_log) = answers($node, { %off, PGCLIENTENCODING => $encoding }, $ways{$way}, \@statements);
			my ($with_on, $on_log) = answers($node, { %on, PGCLIENTENCODING => $encoding }, $ways{$way}, \@statements);
			same_answers(\@statements, $with_off, $plain, "$name, off");
			ok($off_log eq $plain_log, "$name, off: same log");
			if ($file eq 'forms')
			{
				my @deaf = grep { $with_on->[$_] eq $plain->[$_] } 0 .. $#statements;
				is(join("\n", @statements[@deaf]), '', "$name, on: forms change the answer");
				next;
			}
			same_answers(\@statements, $with_on, $plain, "$name, on");
			ok($on_log eq $plain_log, "$name, on: same log");
		}
	}
}
cmp_ok($corpus_size, '>', 250, "the corpus has $corpus_size statements");

my @forms = read_statements('forms');
my @states = translations(map { /abc$/ ? () : $_ } @forms);
is(scalar(grep { $_->[0] eq 'same' } @states), 0, 'flux_to_sql changes every statement with a form');

# ---- Mutants ----

my $seed = $ENV{HELIOS_SYNTAX_SEED} // 20240601;
my $wanted = $ENV{HELIOS_SYNTAX_MUTANTS} // 3000;
note("HELIOS_SYNTAX_SEED=$seed HELIOS_SYNTAX_MUTANTS=$wanted");
srand($seed);

my @seeds = read_statements('valid');
my @form_seeds = read_statements('valid_forms');
cmp_ok(scalar @seeds, '>=', 200, 'valid statements: ' . @seeds);
my @pool = ((map { tokens_of($_) } @seeds), ('FROM', 'SELECT', 'WHERE', '|>', 'AS', 'OF', 'WITH', 'BRANCH', '(', ')', ',', ';') x 20);
is(scalar(grep { my @tokens = tokens_of($_); !@tokens } @seeds, @form_seeds), 0, 'all of them are cut into tokens');
is(scalar(grep { /42601/ } parse_only($node, 'shop', \%off, @seeds, map { join(' ', tokens_of($_)) } @seeds)), 0, 'all of them parse');
is(scalar(grep { !/42601/ } parse_only($node, 'shop', \%off, @form_seeds)), 0, 'those with forms do not');
is(scalar(grep { /42601/ } parse_only($node, 'shop', \%on, @seeds, @form_seeds)), 0, 'all of them do with the layer');

sub mutate_tokens
{
	my (@tokens) = @_;
	for (0 .. int(rand 2))
	{
		my ($i, $k, $how) = (int(rand @tokens), int(rand @tokens), int(rand 7));
		if ($how == 0) { splice @tokens, $i, 1; }
		elsif ($how == 1) { splice @tokens, $i, 1 + int(rand 4); }
		elsif ($how == 2) { @tokens[ $i, $k ] = @tokens[ $k, $i ]; }
		elsif ($how == 3) { splice @tokens, $i, 0, $tokens[$i]; }
		elsif ($how == 4) { $tokens[$i] = $pool[ rand @pool ]; }
		elsif ($how == 5) { splice @tokens, $i, 0, $pool[ rand @pool ]; }
		else { splice @tokens, $i, 0, splice(@tokens, $k, 1 + int(rand 3)); }
		@tokens = ('SELECT') if !@tokens;
	}
	return join(' ', @tokens);
}

sub mutate_characters
{
	my $text = decode('UTF-8', $_[0]);
	my @marks = split //, q{'"$\/*-(;,.|>[:};
	my ($i, $how) = (int(rand length $text), int(rand 4));
	if ($how == 0) { substr($text, $i, 1) = ''; }
	elsif ($how == 1) { $text = substr($text, 0, $i + 1); }
	elsif ($how == 2) { substr($text, $i, 1) = $marks[ rand @marks ]; }
	else { substr($text, $i, 0) = $marks[ rand @marks ]; }
	return $text eq '' ? 'SELECT' : encode('UTF-8', $text);
}

# An answer without what tells places in the text.
sub gist
{
	my ($answer) = @_;
	$answer =~ s/^LINE \d+: .*\n.*\^\n//gm;
	return $answer;
}

# Compares the answers to one mutant; returns what is wrong, or nothing, and counts what it was.
sub judge
{
	my ($count, $text, $state, $is_on, $is_off, $translated, $stock_parses) = @_;
	if ($stock_parses || $state->[0] eq 'same')
	{
		$count->{$stock_parses ? 'valid' : 'errors'}++;
		return $is_on eq $is_off ? () : 'the answer has changed';
	}
	if ($state->[0] eq 'raises')
	{
		$count->{raises}++;
		return $is_on eq $is_off || $is_on =~ /^ERROR:  \Q$state->[1]\E\n/m ? () : 'another error than flux_to_sql raises';
	}
	my $still_wrong = $is_on =~ /^ERROR:  42601/m;
	$count->{ $still_wrong ? 'rescued in vain' : 'rescued' }++;
	return 'rescued, but the translation is no stock SQL' if $still_wrong != ($translated =~ /^ERROR:  42601/m);
	return 'the translation means something else' if !$still_wrong && gist($is_on) ne gist($translated);
	return;
}

my (%count, @wrong);
for (my $done = 0; $done < $wanted; $done += $chunk)
{
	my $size = $done + $chunk < $wanted ? $chunk : $wanted - $done;
	my (@texts, @describable);
	while (@texts < $size)
	{
		my $from = rand() < 0.15 ? \@form_seeds : \@seeds;
		my $seed_text = $from->[ rand @$from ];
		push @texts, rand() < 0.2 ? mutate_characters($seed_text) : mutate_tokens(tokens_of($seed_text));
	}
	my @states = translations(@texts);
	my @sql = map { $states[$_][0] eq 'changed' ? $states[$_][1] : $texts[$_] } 0 .. $#texts;
	my @parsed_off = parse_only($node, 'shop', \%off, @texts);
	my @parsed_on = parse_only($node, 'shop', \%on, @texts);
	my @parsed_sql = parse_only($node, 'shop', \%off, @sql);
	my @stock_parses = map { !/^ERROR:  42601/m } @parsed_off;
	for my $i (0 .. $#texts)
	{
		my @complaint = judge(\%count, $texts[$i], $states[$i], $parsed_on[$i], $parsed_off[$i], $parsed_sql[$i], $stock_parses[$i]);
		push @wrong, "$complaint[0]: $texts[$i]\n--- off\n$parsed_off[$i]--- on\n$parsed_on[$i]--- translation $sql[$i]\n$parsed_sql[$i]" if @complaint;
	}
	@describable = grep { my @tokens = tokens_of($texts[$_]); my @of_sql = tokens_of($sql[$_]); @tokens && @of_sql } 0 .. $#texts;
	my @described_off = describe($node, 'shop', \%off, @texts[@describable]);
	my @described_on = describe($node, 'shop', \%on, @texts[@describable]);
	my @described_sql = describe($node, 'shop', \%off, @sql[@describable]);
	my %ignored;
	for my $k (0 .. $#describable)
	{
		my $i = $describable[$k];
		my @complaint = judge(\%ignored, $texts[$i], $states[$i], $described_on[$k], $described_off[$k], $described_sql[$k], $stock_parses[$i]);
		push @wrong, "described, $complaint[0]: $texts[$i]\n--- off\n$described_off[$k]--- on\n$described_on[$k]--- translation $sql[$i]\n$described_sql[$k]" if @complaint;
	}
}
note(join(', ', map { "$count{$_} $_" } sort keys %count));
is(scalar @wrong, 0, "$wanted mutants: errors of the stock grammar stay, translations are stock SQL");
diag($_) for @wrong[ 0 .. (@wrong < $shown ? @wrong : $shown) - 1 ];
cmp_ok($count{errors}, '>', $wanted / 4, 'mutants with an error and no form');
cmp_ok($count{rescued}, '>', $wanted / 100, 'mutants with a form');

is($node->safe_psql('postgres', 'SELECT 1'), '1', 'the server lives');
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|TRAP/, 'no session crashed');
$node->stop;
$stock->stop;
done_testing();
