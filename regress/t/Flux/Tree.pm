# Makes random query trees. A node is { op, in, cols, … }: `in` is the node below, `cols` what flows out of it.
# Columns are objects, bound when the tree is made; how a text names them is the printers' affair.
#
#   table series values unnest derived      sources (derived: a subquery, a CTE, or one inlined)
#   join where extend select aggregate distinct order limit setop as
package Flux::Tree;
use strict;
use warnings;
use Flux::Scope;

# The tables of the test: name, rows, and columns with their types.
our %tables = (
	people => { rows => 60, cols => [ [ id => 'int' ], [ name => 'text' ], [ city => 'text' ], [ born => 'date' ], [ score => 'num' ], [ tags => 'arr' ], [ 'Odd Name' => 'text' ] ] },
	orders => { rows => 90, cols => [ [ id => 'int' ], [ person_id => 'int' ], [ city => 'text' ], [ amount => 'num' ], [ day => 'date' ], [ data => 'json' ], [ order => 'int' ] ] },
	items => { rows => 80, cols => [ [ id => 'int' ], [ order_id => 'int' ], [ name => 'text' ], [ amount => 'num' ], [ qty => 'int' ], [ from => 'text' ] ] },
	notes => { rows => 40, cols => [ [ id => 'int' ], [ name => 'text' ], [ day => 'date' ], [ 'Odd Name' => 'text' ], [ tags => 'arr' ], [ select => 'int' ] ] });

# Names for computed columns and range variables; many are columns of tables too, some are keywords.
my @names = qw(id name amount day city x y total n value qty year order select);
my @aliases = qw(a b c t u name city amount day x stage pipe o p);
my @words = ('ann', 'Bob', "it's", 'FROM', '|>', 'x y', '', 'Zoë', 'select 1', '-- no', 'abc');
my $most_rows = 4000;

sub new
{
	my ($class) = @_;
	return bless { ids => 0, ctes => [] }, $class;
}

# ---- Chance ----

sub chance { return rand() < $_[0] }
sub pick { return $_[ int rand @_ ] }
sub between { my ($low, $high) = @_; return $low + int rand($high - $low + 1) }

sub shuffled
{
	my @items = @_;
	my @out;
	push @out, splice(@items, int rand @items, 1) while @items;
	return @out;
}

# ---- Columns ----

sub column
{
	my ($self, $name, $type, %more) = @_;
	return { id => ++$self->{ids}, name => $name, type => $type, %more };
}

sub copies
{
	my ($self, @cols) = @_;
	return map { $self->column($_->{name}, $_->{type}) } @cols;
}

# Columns of a type that expressions may use; scopes stand innermost first.
sub columns_of
{
	my ($type, $scope) = @_;
	return grep { $_->{type} eq $type } Flux::Scope::usable($scope);
}

# ---- Statements ----

# A tree: { ctes, root }.
sub statement
{
	my ($self) = @_;
	push @{ $self->{ctes} }, $self->cte for 1 .. pick(0, 0, 1, 1, 2);
	my $root = $self->query(depth => 2);
	return { ctes => $self->{ctes}, root => $root };
}

sub cte
{
	my ($self) = @_;
	my $name = 'w' . (1 + @{ $self->{ctes} });
	return { name => $name, recursive => 1, limit => between(2, 6) } if chance(0.15);
	return { name => $name, query => $self->query(depth => 1) };
}

# A chain of stages over a source. Options: depth, outer (a scope for correlation), columns (types that must
# come out).
sub query
{
	my ($self, %options) = @_;
	my $node = $self->source(%options);
	my @stages = map { pick(qw(where where extend extend select aggregate join join distinct order order setop as)) }
	  1 .. between(0, $options{depth} > 1 ? 6 : 3);
	unshift @stages, 'correlate' if $options{outer};
	for my $stage (@stages)
	{
		my $make = $self->can("make_$stage");
		my $next = $self->$make($node, %options);
		$node = $self->entered($next, $node) if $next;
	}
	$node = $self->shaped($node, $options{columns}) if $options{columns};
	return $node;
}

# Fills in what every stage has.
sub entered
{
	my ($self, $node, $in) = @_;
	$in = $node->{in} //= $in;
	$node->{cols} //= $in->{cols};
	$node->{rows} //= $in->{rows};
	$node->{scope} //= Flux::Scope::leaving(Flux::Scope::entering($in->{scope}, $node), $node);
	$node->{ordered} //= 0;
	return $node;
}

# ---- Sources ----

sub source
{
	my ($self, %options) = @_;
	my $taken = $options{taken} // {};
	my $kind = pick(qw(table table table table table derived derived series values));
	$kind = 'table' if $kind eq 'derived' && $options{depth} < 1;
	my $node;
	if ($kind eq 'table')
	{
		my $name = pick(sort keys %tables);
		my @cols = map { $self->column(@$_, of => $_->[0]) } @{ $tables{$name}{cols} };
		my $alias = chance(0.35) && !$taken->{$name} ? $name : alias($taken);
		$node = { op => 'table', name => $name, alias => $alias, cols => \@cols, rows => $tables{$name}{rows} };
	}
	elsif ($kind eq 'derived')
	{
		$node = $self->derived($taken, %options);
	}
	elsif ($kind eq 'series')
	{
		my ($from, $to) = (between(0, 2), between(3, 6));
		$node = { op => 'series', from => $from, to => $to, alias => alias($taken), cols => [ $self->column(pick(@names), 'int') ], rows => 7 };
	}
	else
	{
		my @types = map { pick(qw(int text date num)) } 1 .. between(1, 3);
		my @unused = shuffled(@names);
		my @cols = map { $self->column(shift @unused, $_) } @types;
		my @rows = map { [ map { literal($_, 0.1) } @types ] } 1 .. between(1, 4);
		$node = { op => 'values', alias => alias($taken), cols => \@cols, data => \@rows, rows => 4 };
	}
	$node->{scope} = Flux::Scope::of_item($node->{alias}, @{ $node->{cols} });
	$node->{ordered} = 0;
	return $node;
}

sub alias
{
	my ($taken) = @_;
	return (grep { !$taken->{$_} } shuffled(@aliases))[0];
}

# A subquery or a CTE; columns may be renamed.
sub derived
{
	my ($self, $taken, %options) = @_;
	my @ctes = @{ $self->{ctes} };
	my $node = { op => 'derived', alias => alias($taken) };
	if (@ctes && chance(0.6))
	{
		my $cte = pick(@ctes);
		if ($cte->{recursive})
		{
			my $n = $self->column('n', 'int');
			$node->{query} = { op => 'series', from => 1, to => $cte->{limit}, cols => [$n], rows => 6, alias => 'n' };
		}
		$node->{cte} = $cte->{name};
		$node->{query} //= $cte->{query};
		$node->{alias} = $cte->{name} if chance(0.3) && !$taken->{ $cte->{name} };
	}
	$node->{query} //= $self->query(depth => $options{depth} - 1, outer => $options{lateral});
	$node->{lateral} = 1 if $options{lateral} && !$node->{cte};
	my @cols = $self->copies(@{ $node->{query}{cols} });
	if (chance(0.25) && @cols <= @names)
	{
		my @new = shuffled(@names);
		$_->{name} = shift @new for @cols;
		$node->{renamed} = 1;
	}
	$node->{cols} = \@cols;
	$node->{rows} = $node->{query}->{rows};
	return $node;
}

# ---- Stages: each returns a node without `in`, or nothing if it is not possible ----

sub make_where
{
	my ($self, $in, %options) = @_;
	my $node = { op => 'where', rows => $in->{rows} };
	$node->{condition} = $self->condition($self->inside($in, $node), between(0, 2), $options{depth});
	return $node;
}

# Compares with a column of the query around, if there is one to compare with.
sub make_correlate
{
	my ($self, $in, %options) = @_;
	my $node = { op => 'where', rows => $in->{rows} };
	my $scope = $self->inside($in, $node);
	for my $outer (shuffled(Flux::Scope::usable($options{outer})))
	{
		my @inner = grep { $_->{type} eq $outer->{type} && $outer->{type} =~ /int|text|date/ } Flux::Scope::usable($scope);
		next if !@inner || !reachable($outer, $options{outer}, $scope);
		$node->{condition} = call(pick('%s = %s', '%s IS NOT DISTINCT FROM %s', '%s < %s'), 'bool', col(pick(@inner)), col($outer));
		return $node;
	}
	return;
}

# True if some name of an outer column is not hidden by the inner scope.
sub reachable
{
	my ($col, $outer, $inner) = @_;
	return grep { defined $_->[0] && !$inner->{vars}{ $_->[0] } } Flux::Scope::names($outer, $col);
}

sub inside
{
	my ($self, $in, $node) = @_;
	return Flux::Scope::entering($in->{scope}, $node);
}

sub make_extend
{
	my ($self, $in, %options) = @_;
	my $window = chance(0.35) ? 1 : 0;
	my $node = { op => 'extend', window => $window };
	my $scope = $self->inside($in, $node);
	$node->{items} = [
		map { $self->item($window ? $self->window($scope) : $self->expression($scope, any_type(), 1, $options{depth})) }
		  1 .. between(1, 2)
	];
	$node->{cols} = [ @{ $scope->{cols} }, map { $_->{col} } @{ $node->{items} } ];
	$node->{rows} = $in->{rows};
	return $node;
}

sub item
{
	my ($self, $expr, $name) = @_;
	return { expr => $expr, col => $self->column($name // pick(@names), $expr->{type}) };
}

sub plain_item
{
	my ($self, $col) = @_;
	return { expr => col($col), col => $self->column($col->{name}, $col->{type}), bare => 1 };
}

sub make_select
{
	my ($self, $in, %options) = @_;
	my $node = { op => 'select', plain => chance(0.4) ? 1 : 0 };
	my $scope = $self->inside($in, $node);
	my @usable = Flux::Scope::usable($scope) or return;
	if ($node->{plain})
	{
		$node->{items} = [ map { $self->plain_item(pick(@usable)) } 1 .. between(1, 4) ];
		$node->{ordered} = $in->{ordered};
	}
	else
	{
		$node->{distinct} = 1 if chance(0.2);
		$node->{items} = [
			map {
				chance(0.4) ? $self->plain_item(pick(@usable))
				  : chance(0.25) ? $self->item($self->window($scope))
				  : $self->item($self->expression($scope, any_type(), 2, $options{depth}))
			} 1 .. between(1, 4)
		];
	}
	$node->{cols} = [ map { $_->{col} } @{ $node->{items} } ];
	$node->{rows} = $in->{rows};
	return $node;
}

sub make_aggregate
{
	my ($self, $in, %options) = @_;
	my $node = { op => 'aggregate' };
	my $scope = $self->inside($in, $node);
	my %seen;
	my @groups;
	for (1 .. pick(0, 1, 1, 2, 2, 3))
	{
		my @usable = grep { !$seen{ $_->{id} }++ } shuffled(Flux::Scope::usable($scope));
		if (@usable && chance(0.7))
		{
			delete $seen{ $_->{id} } for @usable[ 1 .. $#usable ];
			push @groups, chance(0.7) ? $self->plain_item($usable[0]) : $self->item(col($usable[0]));
		}
		elsif (columns_of('date', $scope))
		{
			push @groups, $self->item($self->part_of_date($scope)) if !$seen{year}++;
		}
	}
	# A literal would be a place in GROUP BY, a column twice is one group.
	$node->{groups} = \@groups;
	$node->{items} = [ map { $self->aggregate($scope) } 1 .. between(@groups ? 0 : 1, 3) ];
	if (@groups && chance(0.25))
	{
		$node->{sets} = pick('ROLLUP', 'CUBE', 'GROUPING SETS');
	}
	elsif (@groups && chance(0.3))
	{
		$node->{order_groups} = 1;
		$_->{suffix} = pick('', '', ' ASC', ' DESC', ' DESC NULLS LAST', ' ASC NULLS FIRST') for @groups;
		$node->{ordered} = 1;
	}
	$node->{cols} = [ map { $_->{col} } @groups, @{ $node->{items} } ];
	$node->{rows} = $in->{rows};
	return $node;
}

sub aggregate
{
	my ($self, $scope) = @_;
	my @calls = ([ 'count(*)', 'big' ]);
	push @calls, [ 'count(DISTINCT %s)', 'big', $_ ], [ 'count(%s)', 'big', $_ ], [ 'sum(%s)', 'big', $_ ], [ 'min(%s)', 'int', $_ ],
	  [ 'bool_or(%s > 3)', 'bool', $_ ], [ 'array_agg(%s ORDER BY %1$s DESC)', 'arr', $_ ]
	  for columns_of('int', $scope);
	push @calls, [ 'sum(%s)', 'sum', $_ ], [ 'max(%s)', 'num', $_ ] for columns_of('num', $scope);
	push @calls, [ 'max(%s)', 'text', $_ ], [ q{string_agg(%s, ',' ORDER BY %1$s)}, 'text', $_ ],
	  [ 'mode() WITHIN GROUP (ORDER BY %s)', 'text', $_ ]
	  for columns_of('text', $scope);
	push @calls, [ 'min(%s)', 'date', $_ ] for columns_of('date', $scope);
	my ($fn, $type, $arg) = @{ chance(0.3) ? $calls[0] : pick(@calls) };
	my $e = { kind => 'aggregate', type => $type, fn => $fn, args => [ $arg ? col($arg) : () ] };
	$e->{filter} = $self->condition($scope, 0, 0) if chance(0.25);
	my $implicit = ($fn =~ /^(\w+)/)[0];
	return { expr => $e, col => $self->column($implicit, $type), bare => 1 } if chance(0.25);
	return $self->item($e);
}

sub make_distinct
{
	my ($self, $in) = @_;
	return { op => 'distinct' , rows => $in->{rows}, cols => $self->inside($in, { op => 'distinct' })->{cols} };
}

# An order by all columns, where they have names, may be cut.
sub make_order
{
	my ($self, $in) = @_;
	my $node = { op => 'order', rows => $in->{rows} };
	my $scope = $self->inside($in, $node);
	my @cols = @{ $scope->{cols} };
	my $total = !grep { !Flux::Scope::names($scope, $_) } @cols;
	my @usable = grep { Flux::Scope::names($scope, $_) } @cols or return;
	my @keys = shuffled(@usable);
	@keys = @keys[ 0 .. between(0, $#keys) ] if !$total || chance(0.2);
	$node->{items} = [
		map { { expr => col($_), suffix => pick('', '', ' ASC', ' DESC', ' NULLS FIRST', ' DESC NULLS LAST') } } @keys
	];
	$node->{ordered} = @keys == @cols ? 1 : 0;
	if (my ($number) = chance(0.2) ? columns_of('int', $scope) : ())
	{
		unshift @{ $node->{items} }, { expr => call('%s %% 3', 'int', col($number)), suffix => ' DESC' };
	}
	return $node if !$node->{ordered} || chance(0.4);
	my $order = $self->entered($node, $in);
	return { op => 'limit', in => $order, limit => between(0, 15), offset => pick(0, 0, 0, 1, 3), rows => 15, ordered => 1 };
}

sub make_as
{
	my ($self, $in) = @_;
	return { op => 'as', alias => alias({}), rows => $in->{rows}, ordered => $in->{ordered} };
}

sub make_setop
{
	my ($self, $in, %options) = @_;
	return if $options{depth} < 1 || $in->{rows} > $most_rows / 2;
	my @types = map { $_->{type} } @{ $in->{cols} };
	my @queries = map { $self->query(depth => 0, columns => \@types) } 1 .. pick(1, 1, 1, 2);
	my $node = { op => 'setop', kind => pick(qw(UNION UNION INTERSECT EXCEPT)), all => chance(0.5), queries => \@queries };
	$node->{cols} = [ $self->copies(@{ $in->{cols} }) ];
	$node->{rows} = $in->{rows};
	$node->{rows} += $_->{rows} for @queries;
	return $node;
}

# Ends a query with a SELECT of columns of these types.
sub shaped
{
	my ($self, $in, $types) = @_;
	my $node = { op => 'select', plain => 0 };
	my $scope = $self->inside($in, $node);
	$node->{items} = [ map { $self->item($self->expression($scope, $_, 0, 0)) } @$types ];
	$node->{cols} = [ map { $_->{col} } @{ $node->{items} } ];
	return $self->entered($node, $in);
}

sub make_join
{
	my ($self, $in, %options) = @_;
	my $node = { op => 'join' };
	my $left = $self->inside($in, $node);
	my %taken = map { $_ => 1 } keys %{ $left->{vars} };
	my $lateral = chance(0.25) ? 1 : 0;
	my @arrays = columns_of('arr', $left);
	my $right;
	if ($lateral && @arrays && chance(0.4))
	{
		$right = { op => 'unnest', lateral => 1, array => col(pick(@arrays)), alias => alias(\%taken), cols => [ $self->column(pick(@names), 'int') ], rows => 4 };
	}
	elsif ($lateral && $options{depth} > 0)
	{
		$right = $self->derived(\%taken, depth => 1, lateral => $left);
	}
	else
	{
		$right = $self->source(depth => $options{depth} - 1, taken => \%taken);
	}
	$right->{scope} = Flux::Scope::of_item($right->{alias}, @{ $right->{cols} });
	$node->{right} = $right;
	my $product = $in->{rows} * $right->{rows};
	my @right_names = grep { Flux::Scope::has_name($right->{cols}, $_->{name}) == 1 } @{ $right->{cols} };
	my @shared = map {
		my $r = $_;
		my @l = grep { $_->{name} eq $r->{name} } @{ $left->{cols} };
		@l == 1 && $l[0]{type} eq $r->{type} && $r->{type} =~ /^(int|text|date)$/ ? [ $l[0], $r ] : ()
	} @right_names;
	$node->{type} = pick($right->{lateral} ? qw(inner left cross) : qw(inner inner left right full cross));
	return if $node->{type} eq 'cross' && $product > $most_rows;
	$node->{cols} = [ @{ $left->{cols} }, @{ $right->{cols} } ];
	my $both = Flux::Scope::joined($left, $right->{scope}, @{ $node->{cols} });
	if ($node->{type} ne 'cross')
	{
		if (@shared && chance(0.45))
		{
			my @using = (shuffled(@shared))[ 0 .. (@shared > 1 && chance(0.3) ? 1 : 0) ];
			$node->{using} = [ map { [ $self->column($_->[0]{name}, $_->[0]{type}), @$_ ] } @using ];
			my %merged = map { $_->[1]{id} => 1, $_->[2]{id} => 1 } @{ $node->{using} };
			$node->{cols} = [ (map { $_->[0] } @{ $node->{using} }), grep { !$merged{ $_->{id} } } @{ $node->{cols} } ];
		}
		elsif ($right->{lateral} && chance(0.6) && $product <= $most_rows)
		{
			$node->{on} = literal('bool', 0);
			$node->{on}{value} = 'true';
		}
		else
		{
			$node->{on} = $self->join_condition($both, $left, $right->{scope}) or return;
		}
	}
	$node->{rows} = $node->{type} eq 'cross' || $right->{lateral} ? $product : int($product / 8) + $in->{rows};
	return if $node->{rows} > $most_rows;
	$node->{scope} = Flux::Scope::joined($left, $right->{scope}, @{ $node->{cols} });
	return $node;
}

# FULL JOIN takes conditions only that can be hashed or merged.
sub join_condition
{
	my ($self, $both, $left, $right) = @_;
	my %left = map { $_->{id} => 1 } Flux::Scope::usable($left);
	my @pairs;
	for my $type (qw(int text date))
	{
		my @usable = columns_of($type, $both);
		my %right = map { $_->{id} => 1 } @{ $right->{cols} };
		for my $r (grep { $right{ $_->{id} } } @usable)
		{
			push @pairs, map { [ $_, $r ] } grep { $left{ $_->{id} } } @usable;
		}
	}
	return if !@pairs;
	my ($l, $r) = @{ pick(@pairs) };
	return call('%s = %s', 'bool', col($l), col($r));
}

# ---- Expressions ----

sub col { my ($col) = @_; return { kind => 'col', type => $col->{type}, col => $col } }

# A call printed alike by both printers, or by form { standard, flux }.
sub call
{
	my ($form, $type, @args) = @_;
	$form = { standard => $form, flux => $form } if !ref $form;
	return { kind => 'call', type => $type, form => $form, args => \@args };
}

sub any_type { return pick(qw(int int text text num date bool arr json)) }

sub literal
{
	my ($type, $null) = @_;
	my $value = {
		int => sub { between(-3, 12) },
		text => sub { pick(@words) },
		num => sub { sprintf '%d.%02d', between(0, 90), between(0, 99) },
		date => sub { sprintf '2024-%02d-%02d', between(1, 12), between(1, 28) },
		bool => sub { pick('true', 'false') },
		arr => sub { pick('{}', '{1,2,3}', '{NULL,7}') },
		json => sub { pick('{"k": 1}', '[1, "FROM"]', '{"a|>": {"b": null}}') },
		big => sub { between(0, 100) },
	}->{$type}->();
	return { kind => 'lit', type => $type, value => chance($null) ? undef : $value };
}

# The leaves and one level of calls; `level` how many more, `depth` how deep subqueries may go.
sub expression
{
	my ($self, $scope, $type, $level, $depth) = @_;
	my @cols = columns_of($type, $scope);
	return @cols && chance(0.8) ? col(pick(@cols)) : literal_of($type) if $level <= 0 || chance(0.2);
	my $sub = sub { $self->expression($scope, $_[0], $level - 1, $depth) };
	if ($depth > 0 && chance(0.15) && $type =~ /^(int|text|date|arr)$/)
	{
		return $self->scalar_subquery($scope, $type, $depth);
	}
	return call('CASE WHEN %s THEN %s ELSE %s END', $type, $self->condition($scope, 0, 0), $sub->($type), $sub->($type)) if chance(0.12);
	return call('coalesce(%s, %s)', $type, $sub->($type), $sub->($type)) if chance(0.1);
	if ($type eq 'int')
	{
		my $form = pick('+', '-', 'part', 'length', 'position', 'cardinality');
		return call("%s $form %s", 'int', $sub->('int'), $sub->('int')) if $form =~ /[-+]/;
		return $self->part_of_date($scope) if $form eq 'part' && columns_of('date', $scope);
		return call({ standard => 'strpos(%s, %s)', flux => 'position(%2$s IN %1$s)' }, 'int', $sub->('text'), literal('text', 0)) if $form eq 'position';
		return call('cardinality(%s)', 'int', $sub->('arr')) if $form eq 'cardinality';
		return call('length(%s)', 'int', $sub->('text'));
	}
	if ($type eq 'text')
	{
		return call(pick('upper(%s)', 'lower(%s)', 'left(%s, 2)', 'right(%s, 2)', '%s::text', 'CAST(%s AS text)'), 'text', $sub->('text')) if chance(0.3);
		return call('%s || %s', 'text', $sub->('text'), $sub->('text')) if chance(0.2);
		return call(pick(
				{ standard => q{btrim(%s, 'aA')}, flux => q{trim(both 'aA' FROM %s)} },
				{ standard => 'btrim(%s)', flux => 'TRIM(FROM %s)' },
				{ standard => q{ltrim(%s, 'B')}, flux => q{trim(LEADING 'B' FROM %s)} },
				{ standard => 'substr(%s, 2, 3)', flux => 'substring(%s FROM 2 FOR 3)' },
				{ standard => 'substr(%s, 2)', flux => 'SUBSTRING(%s FROM 2)' },
				{ standard => q{overlay(%s, 'Q', 1, 1)}, flux => q{overlay(%s PLACING 'Q' FROM 1 FOR 1)} }),
			'text', $sub->('text'));
	}
	return call(pick('%s + %s', '%s - %s'), 'sum', $sub->('num'), $sub->('num')) if $type eq 'num' && chance(0.3);
	return call(pick('greatest(%s, %s)', 'least(%s, %s)'), $type, $sub->($type), $sub->($type)) if $type eq 'num';
	return call('%s + %s', 'date', $sub->('date'), $sub->('int')) if $type eq 'date';
	return call('array_append(%s, %s)', 'arr', $sub->('arr'), $sub->('int')) if $type eq 'arr' && chance(0.5);
	return call('ARRAY[%s, %s]', 'arr', $sub->('int'), $sub->('int')) if $type eq 'arr';
	return call(q{%s -> 'k'}, 'json', $sub->('json')) if $type eq 'json';
	return $self->condition($scope, $level - 1, $depth) if $type eq 'bool';
	return @cols ? col(pick(@cols)) : literal_of($type);
}

sub literal_of
{
	my ($type) = @_;
	return call('%s + 0', 'sum', literal('num', 0)) if $type eq 'sum';
	return literal($type, 0.1);
}

sub part_of_date
{
	my ($self, $scope) = @_;
	my $part = pick(qw(year month day));
	return call({ standard => "date_part('$part', %s)::int", flux => "extract($part FROM %s)::int" }, 'int', col(pick(columns_of('date', $scope))));
}

sub condition
{
	my ($self, $scope, $level, $depth) = @_;
	if ($level > 0 && chance(0.6))
	{
		my $sub = sub { $self->condition($scope, $level - 1, $depth) };
		return call('NOT (%s)', 'bool', $sub->()) if chance(0.15);
		return call(pick('%s AND %s', '%s OR %s'), 'bool', $sub->(), $sub->());
	}
	return $self->subquery_condition($scope, $depth) if $depth > 0 && chance(0.3);
	my $type = pick(qw(int int text num date bool));
	my $left = $self->expression($scope, $type, $level, 0);
	return $left if $type eq 'bool' && chance(0.4);
	my $right = chance(0.5) ? $self->expression($scope, $type, $level, 0) : literal($type, 0.05);
	return call(pick('%s IS NULL', '%s IS NOT NULL'), 'bool', $left) if chance(0.15);
	return call({ standard => 'NOT (%s = ANY (ARRAY[%s, %s]))', flux => '%s NOT IN (%s, %s)' }, 'bool', $left, $right, literal($type, 0.1)) if chance(0.12);
	return call({ standard => '%s = ANY (ARRAY[%s, %s])', flux => '%s IN (%s, %s)' }, 'bool', $left, $right, literal($type, 0.1)) if chance(0.12);
	return call({ standard => '(%1$s >= %2$s AND %1$s <= %3$s)', flux => '%s BETWEEN %s AND %s' }, 'bool', $left, $right, literal($type, 0)) if chance(0.1);
	return call(q{%s LIKE '%%a%%'}, 'bool', $left) if $type eq 'text' && chance(0.2);
	return call('%s = ANY (%s)', 'bool', $left, $self->expression($scope, 'arr', $level, 0)) if $type eq 'int' && chance(0.1);
	return call('%s ' . pick('=', '<>', '<', '<=', '>', 'IS DISTINCT FROM', 'IS NOT DISTINCT FROM') . ' %s', 'bool', $left, $right);
}

sub subquery_condition
{
	my ($self, $scope, $depth) = @_;
	if (chance(0.5))
	{
		my $query = $self->query(depth => $depth - 1, outer => $scope);
		return { kind => 'query', type => 'bool', form => pick('EXISTS (%s)', 'NOT EXISTS (%s)'), args => [], query => $query };
	}
	my $type = pick(qw(int text date));
	my $query = $self->query(depth => $depth - 1, outer => $scope, columns => [$type]);
	my $left = $self->expression($scope, $type, 0, 0);
	return { kind => 'query', type => 'bool', form => pick('%s IN (%s)', '%s NOT IN (%s)', '%s = ANY (%s)', '%s < ALL (%s)'), args => [$left], query => $query };
}

# One value: an aggregate of a query, or an array of it in order.
sub scalar_subquery
{
	my ($self, $scope, $type, $depth) = @_;
	my $query = $self->query(depth => $depth - 1, outer => $scope, columns => [ $type eq 'arr' ? 'int' : $type ]);
	my $col = $query->{cols}[0];
	if ($type eq 'arr')
	{
		$query = $self->entered({ op => 'order', items => [ { expr => col($col), suffix => '' } ], rows => 1, ordered => 1 }, $query);
		return { kind => 'query', type => 'arr', form => 'ARRAY(%s)', args => [], query => $query };
	}
	my $max = { kind => 'aggregate', type => $type, fn => 'max(%s)', args => [ col($col) ] };
	my $item = $self->item($max);
	$query = $self->entered({ op => 'aggregate', groups => [], items => [$item], cols => [ $item->{col} ], rows => 1 }, $query);
	return { kind => 'query', type => $type, form => '(%s)', args => [], query => $query };
}

# Functions of windows whose value does not depend on the order of equals.
sub window
{
	my ($self, $scope) = @_;
	my @usable = Flux::Scope::usable($scope);
	my @keys = (shuffled(@usable))[ 0 .. ($#usable < 1 ? $#usable : between(0, 1)) ];
	my @calls = ([ 'count(*)', 'big' ], [ 'rank()', 'big' ], [ 'dense_rank()', 'big' ]);
	push @calls, [ 'sum(%s)', 'big', col($_) ], [ 'max(%s)', 'int', col($_) ] for columns_of('int', $scope);
	push @calls, [ 'first_value(%s)', 'text', col($_) ] for grep { my $c = $_; grep { $_->{id} == $c->{id} } @keys } columns_of('text', $scope);
	my ($fn, $type, @args) = @{ pick(@calls) };
	my @order = chance(0.7) || $fn =~ /rank|first/ ? map { { expr => col($_), suffix => pick('', ' DESC') } } @keys : ();
	my @partition = @usable && chance(0.4) ? (col(pick(@usable))) : ();
	return { kind => 'window', type => $type, fn => $fn, args => \@args, partition => \@partition, order => \@order };
}

1;
