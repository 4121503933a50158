# Prints a tree as Flux: FROM-first blocks with their clauses in any order, blocks that begin with SELECT, pipes, and
# mixtures, chosen by chance. A choice that leaves a column without a name dies as "unprintable" and is made anew.
package Flux::Pipes;
use strict;
use warnings;
use Flux::Scope;
use Flux::Tree;

*chance = \&Flux::Tree::chance;
*pick = \&Flux::Tree::pick;
*shuffled = \&Flux::Tree::shuffled;

my $most_attempts = 40;
my @plain_labels = qw(x y total n id qty amount name city);
my %type_name = (
	int => 'integer', text => 'text', num => 'numeric', date => 'date', bool => 'boolean', arr => 'int[]',
	json => 'jsonb', big => 'int8');

sub new { return bless { scopes => [], pipes_only => 0, names => 0 }, shift }

# The text of a tree; after many attempts with pipes only, which names every column that has a name.
sub statement
{
	my ($self, $tree) = @_;
	for my $attempt (1 .. $most_attempts)
	{
		$self->{pipes_only} = $attempt > $most_attempts / 2;
		$self->{scopes} = [];
		my $text = eval { $self->with($tree) };
		return $text if defined $text;
		die $@ if $@ !~ /^unprintable/;
	}
	die 'no way to print a tree, not even with pipes only';
}

sub with
{
	my ($self, $tree) = @_;
	my ($recursive, @ctes) = ('');
	for my $cte (@{ $tree->{ctes} })
	{
		if ($cte->{recursive})
		{
			$recursive = 'RECURSIVE ';
			my ($n, $limit) = ('n', $cte->{limit});
			push @ctes, "$cte->{name}(n) AS (SELECT 1 UNION ALL "
			  . pick("FROM $cte->{name} SELECT n + 1 WHERE n < $limit", "(FROM $cte->{name} |> WHERE n < $limit |> SELECT n + 1)") . ')';
			next;
		}
		my $hint = pick('', '', '', 'MATERIALIZED ', 'NOT MATERIALIZED ');
		push @ctes, "$cte->{name} AS $hint(" . $self->query($cte->{query}) . ')';
	}
	my $query = $self->query($tree->{root});
	die 'unprintable: two WITH clauses of one query' if @ctes && $query =~ /^with/i;
	return @ctes ? "WITH $recursive" . join(',' . gap(), @ctes) . gap() . $query : $query;
}

# ---- Words ----

# White space and comments, which may look like SQL.
sub gap
{
	return ' ' if chance(0.8);
	return pick("\n", "\t", "  ", " /* FROM x |> WHERE ' */ ", " -- |> SELECT \" (\n", "\n\n", " /* a /* nested */ ; */ ");
}

sub word
{
	my ($word) = @_;
	return $word if chance(0.6);
	return chance(0.7) ? lc $word : ucfirst lc $word;
}

sub name
{
	my ($name) = @_;
	return "\"$name\"" if $name !~ /^[a-z_0-9]+$/ || $name =~ /^(order|select|from|year|day)$/ || chance(0.1);
	return chance(0.1) ? uc $name : $name;
}

sub list_of { return join(', ', @_) }

sub parenthesized { return '(' . (chance(0.1) ? gap() : '') . $_[0] . (chance(0.1) ? "\n" : '') . ')' }

sub label
{
	my ($col) = @_;
	return ' ' . $col->{name} if chance(0.2) && grep { $_ eq $col->{name} } @plain_labels;
	return gap() . word('AS') . ' ' . name($col->{name});
}

# ---- Queries ----

# A query; with `simple` in the list context true if it may stand in a set operation without parentheses.
sub query
{
	my ($self, $root) = @_;
	my @stages;
	for (my $node = $root; $node; $node = $node->{in}) { unshift @stages, $node }
	my $source = shift @stages;
	push @{ $self->{scopes} }, $source->{scope} // Flux::Scope::of_columns();
	my $text = $self->from_item($source);
	my $comma = 0;
	$self->inner($source->{scope} // Flux::Scope::of_item($source->{alias}, @{ $source->{cols} }));
	while (@stages && $stages[0]{op} eq 'join' && !$comma && chance(0.5))
	{
		my $join = shift @stages;
		$comma = $join->{type} eq 'cross' && chance(0.5);
		$text .= $comma ? ',' . gap() . $self->from_item($join->{right}, $join) : gap() . $self->join_item($join);
		$self->inner(Flux::Scope::leaving($self->inner, $join));
	}
	my $simple = 1;
	if ($self->{pipes_only} || chance(0.45))
	{
		$text = word('FROM') . gap() . $text;
	}
	else
	{
		($text, $simple) = $self->block($text, \@stages);
	}
	while (my $node = shift @stages)
	{
		($text, $simple) = $self->wrapped($text) if !$self->{pipes_only} && chance(0.06);
		$self->inner(Flux::Scope::entering($self->inner, $node));
		if ($node->{op} eq 'setop' && chance(0.5))
		{
			($text, $simple) = ($self->infix($text, $simple, $node), 0);
		}
		else
		{
			my $print = $self->can("pipe_$node->{op}") or die "no stage $node->{op}";
			($text, $simple) = ($text . gap() . '|>' . pick(' ', ' ', '', "\n") . $self->$print($node), 0);
		}
		$self->inner(Flux::Scope::leaving($self->inner, $node));
	}
	pop @{ $self->{scopes} };
	return wantarray ? ($text, $simple) : $text;
}

# The scope of the query at hand; sets it if one is given.
sub inner
{
	my ($self, $scope) = @_;
	$self->{scopes}[-1] = $scope if $scope;
	return $self->{scopes}[-1];
}

# The query so far as a subquery or a CTE: only columns are left, and a new range variable.
sub wrapped
{
	my ($self, $text) = @_;
	my @cols = @{ $self->inner->{cols} };
	my $alias = 'v' . ++$self->{names};
	$self->inner(Flux::Scope::of_columns(@cols));
	return (parenthesized($text), 0) if chance(0.3);
	return ("SELECT * FROM " . parenthesized($text) . " $alias", 1) if chance(0.3);
	$self->inner(Flux::Scope::of_item($alias, @cols));
	return (word('WITH') . " $alias AS " . parenthesized($text) . gap() . "FROM $alias", 0) if chance(0.5);
	return (word('FROM') . gap() . parenthesized($text) . " AS $alias", 1);
}

# A FROM item with its range variable.
sub from_item
{
	my ($self, $node) = @_;
	my $op = $node->{op};
	my $as = gap() . pick('AS ', '') . name($node->{alias});
	my $columns = ' (' . join(', ', map { name($_->{name}) } @{ $node->{cols} }) . ')';
	if ($op eq 'table')
	{
		my $table = (chance(0.15) ? word('ONLY') . ' ' : '') . (chance(0.2) ? 'public.' : '') . name($node->{name});
		return $node->{alias} eq $node->{name} && chance(0.8) ? $table : "$table$as";
	}
	return word('generate_series') . "($node->{from}, $node->{to})$as$columns" if $op eq 'series';
	return word('unnest') . '(' . $self->expr($node->{array}) . ")$as$columns" if $op eq 'unnest';
	if ($op eq 'values')
	{
		my @rows = map { '(' . join(', ', map { $self->literal($_) } @$_) . ')' } @{ $node->{data} };
		return parenthesized(word('VALUES') . ' ' . join(',' . gap(), @rows)) . "$as$columns";
	}
	$columns = '' if !$node->{renamed};
	return $node->{cte} eq $node->{alias} && !$node->{renamed} ? name($node->{cte}) : name($node->{cte}) . "$as$columns" if $node->{cte};
	return ($node->{lateral} ? word('LATERAL') . ' ' : '') . parenthesized(scalar $self->query($node->{query})) . "$as$columns";
}

# [type] JOIN item [condition]; the scope at hand is that of the left side.
sub join_item
{
	my ($self, $node) = @_;
	my $type = $node->{type};
	my $words = $type eq 'inner' ? pick('JOIN', 'INNER JOIN') : uc($type) . ($type ne 'cross' && chance(0.2) ? ' OUTER' : '') . ' JOIN';
	my $text = word($words) . gap() . $self->from_item($node->{right});
	return $text if $type eq 'cross';
	return $text . gap() . word('USING') . ' (' . list_of(map { name($_->[0]{name}) } @{ $node->{using} }) . ')' if $node->{using};
	my $left = $self->inner;
	$self->inner(Flux::Scope::joined($left, $node->{right}{scope}, @{ $left->{cols} }, @{ $node->{right}{cols} }));
	$text .= gap() . word('ON') . ' ' . $self->bare($node->{on});
	$self->inner($left);
	return $text;
}


# ---- Blocks of clauses ----

# A SELECT, or the same from FROM on, of as many stages as fit or chance allows.
sub block
{
	my ($self, $from, $stages) = @_;
	my %b = (from => [ 'FROM', $from ], phase => 0, base => $self->inner, outputs => undef);
	$self->inner({ %{ $b{base} }, inline => {} });
	my %phase = (where => 1, aggregate => 2, select => 3, extend => 3, distinct => 4, order => 5, limit => 6);
	while (@$stages && chance(0.85))
	{
		my $node = $stages->[0];
		my $phase = $phase{ $node->{op} } or last;
		last if $node->{order_groups};
		$phase = 3 if $node->{op} eq 'where' && $b{phase} == 2;
		last if $phase < $b{phase} || ($phase == $b{phase} && $phase > 1);
		my $clause = $self->can("block_$node->{op}");
		$self->$clause($node, \%b);
		# HAVING leaves the place for SELECT.
		$b{phase} = $node->{op} eq 'where' && $b{phase} == 2 ? 2 : $phase;
		$b{cols} = $node->{cols};
		$b{tail} = 1 if $phase > 4;
		shift @$stages;
	}
	my $list = $b{outputs} ? list_of(map { $_->{text} } @{ $b{outputs} }) : '*';
	$list = "*, $b{added}" if $b{added};
	my @select = [ 'SELECT' . ($b{distinct} ? ' DISTINCT' : ''), $list ];
	my @clauses = map { $b{$_} ? [ @{ $b{$_} } ] : () } qw(where group having window order limit offset);
	my $select_first = chance(0.35);
	my $keeps = !$b{outputs} && !$b{added} && !$b{distinct} && !$select_first;
	my $cols = $b{cols} // $b{base}{cols};
	my $more = @clauses || !$keeps;
	$self->inner(!$keeps ? Flux::Scope::of_columns(@$cols) : $more ? Flux::Scope::closed($b{base}) : $b{base});
	@select = () if $keeps && chance(0.6);
	$self->inner(Flux::Scope::of_columns(@$cols)) if @select;
	my @all = $select_first ? (@select, $b{from}, @clauses) : ($b{from}, shuffled(@select, @clauses));
	my $text = join('', map { ($_ == $all[0] ? '' : gap()) . word($_->[0]) . gap() . $_->[1] } @all);
	return ($text, !$b{tail});
}

sub block_where
{
	my ($self, $node, $b) = @_;
	my $clause = $b->{phase} == 2 ? 'having' : 'where';
	my $condition = $self->bare($node->{condition});
	$condition = "($b->{$clause}[1]) AND ($condition)" if $b->{$clause};
	$b->{$clause} = [ uc $clause, $condition ];
	return;
}

# An output column; later clauses print its expression where a name would not do.
sub output
{
	my ($self, $item, $b) = @_;
	my $text = $self->expr($item->{expr});
	$b->{inline}{ $item->{col}{id} } = $text;
	return { col => $item->{col}, text => $text . label($item->{col}), expr => $text };
}

sub block_aggregate
{
	my ($self, $node, $b) = @_;
	$b->{outputs} = [ map { $self->output($_, $b) } @{ $node->{groups} }, @{ $node->{items} } ];
	$self->inner({ %{ $self->inner }, inline => { %{ $b->{inline} // {} } } });
	my @groups = map { $_->{expr} } @{ $b->{outputs} }[ 0 .. $#{ $node->{groups} } ];
	return if !@groups;
	push @groups, '()' if ($node->{sets} // '') eq 'GROUPING SETS';
	$b->{group} = [ 'GROUP BY', $node->{sets} ? word($node->{sets}) . ' (' . list_of(@groups) . ')' : list_of(@groups) ];
	return;
}

sub block_select
{
	my ($self, $node, $b) = @_;
	local $self->{windows} = [];
	my @below = $b->{outputs} && !$b->{group} ? map { $_->{expr} } @{ $b->{outputs} } : ();
	$b->{outputs} = [ map { $self->output($_, $b) } @{ $node->{items} } ];
	# Without its last aggregate a query returns all rows.
	die 'unprintable: no aggregate is left'
	  if @below && !grep { my $text = $_->{expr}; grep { index($text, $_) >= 0 } @below } @{ $b->{outputs} };
	$b->{distinct} = $node->{distinct};
	$b->{window} = [ 'WINDOW', list_of(@{ $self->{windows} }) ] if @{ $self->{windows} };
	return;
}

sub block_extend
{
	my ($self, $node, $b) = @_;
	local $self->{windows} = [];
	my @added = map { $self->output($_, $b) } @{ $node->{items} };
	if ($b->{outputs})
	{
		push @{ $b->{outputs} }, @added;
	}
	else
	{
		$b->{added} = list_of(map { $_->{text} } @added);
	}
	$b->{window} = [ 'WINDOW', list_of(@{ $self->{windows} }) ] if @{ $self->{windows} };
	return;
}

sub block_distinct
{
	my ($self, $node, $b) = @_;
	die 'unprintable: a second DISTINCT' if $b->{distinct};
	$b->{distinct} = 1;
	return;
}

# ORDER BY looks a single name up among the output columns, names in expressions among the input columns.
sub block_order
{
	my ($self, $node, $b) = @_;
	my @cols = @{ $b->{cols} // $b->{base}{cols} };
	$self->inner({ %{ $self->inner }, inline => { %{ $b->{inline} // {} } } });
	my @items = map {
		my $expr = $_->{expr};
		my @same = $expr->{kind} eq 'col' ? grep { $_->{name} eq $expr->{col}{name} } @cols : ();
		die 'unprintable: ORDER BY of DISTINCT' if $b->{distinct} && @same != 1;
		my ($place) = grep { $expr->{kind} eq 'col' && $cols[ $_ - 1 ]{id} == $expr->{col}{id} } 1 .. @cols;
		my $text = @same == 1 ? (chance(0.15) ? $place : name($expr->{col}{name})) : $self->expr($expr);
		die 'unprintable: an ambiguous name in ORDER BY' if @same > 1 && $text =~ /^"?[\w ]+"?$/;
		$text . word($_->{suffix})
	} @{ $node->{items} };
	$b->{order} = [ 'ORDER BY', list_of(@items) ];
	return;
}

sub block_limit
{
	my ($self, $node, $b) = @_;
	$b->{limit} = chance(0.25) ? [ 'FETCH', "FIRST $node->{limit} ROWS ONLY" ] : [ 'LIMIT', $node->{limit} ];
	$b->{offset} = [ 'OFFSET', $node->{offset} ] if $node->{offset};
	return;
}

# Set operations between queries.
sub infix
{
	my ($self, $text, $simple, $node) = @_;
	$text = parenthesized($text) if !$simple || chance(0.5);
	for my $query (@{ $node->{queries} })
	{
		my ($branch, $plain) = $self->query_apart($query);
		$branch = parenthesized($branch) if !$plain || chance(0.5);
		$text .= gap() . word($node->{kind}) . ($node->{all} ? ' ALL' : pick('', ' DISTINCT')) . gap() . $branch;
	}
	return $text;
}

# A query of a set operation sees nothing of the scope at hand.
sub query_apart
{
	my ($self, $query) = @_;
	my $scope = pop @{ $self->{scopes} };
	my @printed = $self->query($query);
	push @{ $self->{scopes} }, $scope;
	return @printed;
}

# ---- Pipes ----

sub items
{
	my ($self, $items) = @_;
	my $only_names = $self->inner->{select_only};
	my @texts = map {
		my $text = $self->bare($_->{expr});
		$_->{bare} && ($only_names || chance(0.8)) ? $text : $text . label($_->{col})
	} @$items;
	return join(',' . gap(), @texts);
}

sub trailing { return chance(0.08) ? ',' : '' }

sub pipe_where
{
	my ($self, $node) = @_;
	return word('WHERE') . gap() . $self->bare($node->{condition});
}

sub pipe_extend
{
	my ($self, $node) = @_;
	return word('EXTEND') . gap() . $self->items($node->{items}) . trailing();
}

sub pipe_select
{
	my ($self, $node) = @_;
	local $self->{windows} = [];
	my $text = word('SELECT') . ($node->{distinct} ? gap() . 'DISTINCT' : '') . gap() . $self->items($node->{items}) . trailing();
	return $text if !@{ $self->{windows} };
	return $text . gap() . word('WINDOW') . ' ' . list_of(@{ $self->{windows} });
}

sub pipe_aggregate
{
	my ($self, $node) = @_;
	my $text = word('AGGREGATE') . gap() . $self->items($node->{items});
	return $text if !@{ $node->{groups} };
	$text .= trailing() if @{ $node->{items} };
	my $explicit = $node->{order_groups} && !grep { !$_->{suffix} || $_->{suffix} !~ /ASC|DESC/ } @{ $node->{groups} };
	my $shorthand = $node->{order_groups} && !($explicit && chance(0.5));
	my @groups = map {
		$self->bare($_->{expr}) . ($_->{suffix} // '') . ($_->{bare} && chance(0.8) ? '' : label($_->{col}))
	} @{ $node->{groups} };
	push @groups, '()' if ($node->{sets} // '') eq 'GROUPING SETS';
	my $list = join(',' . gap(), @groups);
	$list = word($node->{sets}) . " ($list)" if $node->{sets};
	return $text . gap() . word('GROUP') . gap() . ($shorthand ? word('AND ORDER') . gap() : '') . word('BY') . " $list";
}

sub pipe_distinct { return word('DISTINCT') }

sub pipe_order
{
	my ($self, $node) = @_;
	return word('ORDER BY') . gap() . list_of(map { $self->expr($_->{expr}) . $_->{suffix} } @{ $node->{items} });
}

sub pipe_limit
{
	my ($self, $node) = @_;
	return word('LIMIT') . " $node->{limit}" . ($node->{offset} || chance(0.1) ? gap() . word('OFFSET') . " $node->{offset}" : '');
}

sub pipe_as
{
	my ($self, $node) = @_;
	return word('AS') . gap() . name($node->{alias});
}

sub pipe_join
{
	my ($self, $node) = @_;
	return $self->join_item($node);
}

sub pipe_setop
{
	my ($self, $node) = @_;
	my @queries = map { my ($text) = $self->query_apart($_); parenthesized($text) } @{ $node->{queries} };
	return word($node->{kind}) . ($node->{all} ? ' ' . word('ALL') : pick('', ' DISTINCT')) . gap() . join(',' . gap(), @queries);
}

# ---- Expressions ----

# A name of a column that no scope further in hides.
sub reference
{
	my ($self, $col) = @_;
	my @further_in;
	for my $scope (reverse @{ $self->{scopes} })
	{
		my $inline = $scope->{inline}{ $col->{id} };
		return $inline if defined $inline && !@further_in;
		die 'unprintable: an expression in a subquery' if defined $inline;
		my @names = grep {
			my ($variable, $name) = @$_;
			!grep { defined $variable ? $_->{vars}{$variable} : Flux::Scope::has_name($_->{cols}, $name) } @further_in
		} Flux::Scope::names($scope, $col);
		if (@names)
		{
			my ($variable, $name) = @{ pick(@names) };
			return defined $variable ? name($variable) . '.' . name($name) : name($name);
		}
		push @further_in, $scope;
	}
	die "unprintable: no name for column $col->{name}";
}

# Without the parentheses around it.
sub bare
{
	my ($self, $e) = @_;
	my $text = $self->expr($e);
	return $e->{kind} eq 'call' && $text =~ /^\((.*)\)$/s && chance(0.7) ? $1 : $text;
}

sub expr
{
	my ($self, $e) = @_;
	my $kind = $e->{kind};
	return $self->reference($e->{col}) if $kind eq 'col';
	return $self->literal($e) if $kind eq 'lit';
	if ($kind eq 'call')
	{
		my @args = @{ $e->{args} };
		my $untyped = $e->{type} eq 'bool' && $args[0]{kind} eq 'col' && $e->{form}{flux} =~ /^%s (=|<>|<|IS [A-Z ]*DISTINCT FROM) %s$/;
		my @texts = map { $untyped && $_->{kind} eq 'lit' && defined $_->{value} ? $self->constant($_) : $self->expr($_) } @args;
		return '(' . sprintf($e->{form}{flux}, @texts) . ')';
	}
	if ($kind eq 'query')
	{
		local $self->{windows};
		my @args = map { $self->expr($_) } @{ $e->{args} };
		return '(' . sprintf($e->{form}, @args, scalar $self->query($e->{query})) . ')';
	}
	my $call = sprintf $e->{fn}, map { $self->expr($_) } @{ $e->{args} };
	return $call . ($e->{filter} ? gap() . 'FILTER (WHERE ' . $self->bare($e->{filter}) . ')' : '') if $kind eq 'aggregate';
	my @over;
	push @over, 'PARTITION BY ' . list_of(map { $self->expr($_) } @{ $e->{partition} }) if @{ $e->{partition} };
	push @over, 'ORDER BY ' . list_of(map { $self->expr($_->{expr}) . $_->{suffix} } @{ $e->{order} }) if @{ $e->{order} };
	if ($self->{windows} && chance(0.4))
	{
		push @{ $self->{windows} }, 'win' . (1 + @{ $self->{windows} }) . " AS (@over)";
		return "$call OVER win" . @{ $self->{windows} };
	}
	return "$call OVER (@over)";
}

# A constant without its type.
sub constant
{
	my ($self, $e) = @_;
	my $value = $e->{value};
	return $value < 0 ? "($value)" : $value if $e->{type} eq 'int' || $e->{type} eq 'num';
	return "\$\$$value\$\$" if chance(0.1) && $value !~ /\$/;
	return "\$q\$$value\$q\$" if chance(0.1);
	my $doubled = $value =~ s/'/''/gr;
	return "E'" . ($value =~ s/'/\\'/gr) . "'" if chance(0.1);
	return "U&'$doubled'" if chance(0.05);
	return "'$doubled'";
}

sub literal
{
	my ($self, $e) = @_;
	my ($type, $value) = @$e{qw(type value)};
	my $name = $type_name{$type};
	$name = 'numeric(10,2)' if $type eq 'num' && !defined $value;
	return pick("NULL::$name", "CAST(NULL AS $name)") if !defined $value;
	return $self->constant($e) if $type eq 'int' || $type eq 'num';
	return uc $value if $type eq 'bool' && chance(0.5);
	my $constant = $self->constant($e);
	return "$name $constant" if chance(0.2) && $type ne 'arr';
	return pick("$constant\::$name", "$constant\::$name", "CAST($constant AS $name)");
}

1;
