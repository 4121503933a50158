# Prints a tree as standard SQL, one SELECT per operation. Every column gets a name of its own, c<id>, so that no
# rule of names is needed; what a name may still reach is carried along.
package Flux::Standard;
use strict;
use warnings;

my %cast = (
	int => 'integer', text => 'text', num => 'numeric(10,2)', date => 'date', bool => 'boolean',
	arr => 'integer[]', json => 'jsonb', big => 'bigint');

sub new { return bless { names => 0 }, shift }

# The whole statement: the visible columns under their names.
sub statement
{
	my ($self, $node) = @_;
	my $list = join ', ', map { "c$_->{id} AS " . quote($_->{name}) } @{ $node->{cols} };
	return "SELECT $list FROM " . $self->sub_select($node);
}

sub quote
{
	my ($name) = @_;
	return "\"$name\"";
}

sub sub_select
{
	my ($self, $node) = @_;
	return '(' . $self->query($node) . ') AS s' . ++$self->{names};
}

sub renamed
{
	my ($self, $from, $to) = @_;
	return join ', ', map { "c$from->[$_]{id} AS c$to->[$_]{id}" } 0 .. $#$to;
}

sub query
{
	my ($self, $node) = @_;
	my $print = $self->can("print_$node->{op}") or die "no operation $node->{op}";
	return $self->$print($node);
}

sub print_table
{
	my ($self, $node) = @_;
	my $list = join ', ', map { quote($_->{of}) . " AS c$_->{id}" } @{ $node->{cols} };
	return "SELECT $list FROM public.$node->{name}";
}

sub print_series
{
	my ($self, $node) = @_;
	return "SELECT g AS c$node->{cols}[0]{id} FROM generate_series($node->{from}, $node->{to}) AS g";
}

sub print_values
{
	my ($self, $node) = @_;
	return join ' UNION ALL ', map {
		my $row = $_;
		'SELECT ' . join ', ', map { $self->expr($row->[$_]) . " AS c$node->{cols}[$_]{id}" } 0 .. $#$row
	} @{ $node->{data} };
}

sub print_unnest
{
	my ($self, $node) = @_;
	return 'SELECT unnest(' . $self->expr($node->{array}) . ") AS c$node->{cols}[0]{id}";
}

sub print_derived
{
	my ($self, $node) = @_;
	return 'SELECT ' . $self->renamed($node->{query}{cols}, $node->{cols}) . ' FROM ' . $self->sub_select($node->{query});
}

sub print_join
{
	my ($self, $node) = @_;
	my ($left, $right) = ($self->sub_select($node->{in}), $self->sub_select($node->{right}));
	my @merged = map {
		my ($merged, $l, $r) = @$_;
		my $value = { left => "c$l->{id}", inner => "c$l->{id}", right => "c$r->{id}" }->{ $node->{type} }
		  // "CASE WHEN c$l->{id} IS NULL THEN c$r->{id} ELSE c$l->{id} END";
		", $value AS c$merged->{id}"
	} @{ $node->{using} // [] };
	my $condition = $node->{using}
	  ? join ' AND ', map { "c$_->[1]{id} = c$_->[2]{id}" } @{ $node->{using} }
	  : $node->{on} ? $self->expr($node->{on}) : 'true';
	my $type = $node->{type} eq 'cross' ? 'INNER' : uc $node->{type};
	my $lateral = $node->{right}{lateral} ? 'LATERAL ' : '';
	return "SELECT *@merged FROM $left $type JOIN $lateral$right ON $condition";
}

sub print_where
{
	my ($self, $node) = @_;
	return 'SELECT * FROM ' . $self->sub_select($node->{in}) . ' WHERE ' . $self->expr($node->{condition});
}

sub list
{
	my ($self, $items) = @_;
	return join ', ', map { $self->expr($_->{expr}) . " AS c$_->{col}{id}" } @$items;
}

sub print_extend
{
	my ($self, $node) = @_;
	return 'SELECT *, ' . $self->list($node->{items}) . ' FROM ' . $self->sub_select($node->{in});
}

sub print_select
{
	my ($self, $node) = @_;
	my $distinct = $node->{distinct} ? 'DISTINCT ' : '';
	return "SELECT $distinct" . $self->list($node->{items}) . ' FROM ' . $self->sub_select($node->{in});
}

# The groups are computed first, then the aggregates.
sub print_aggregate
{
	my ($self, $node) = @_;
	my @groups = @{ $node->{groups} };
	my $input = $self->sub_select($node->{in});
	my $computed = join '', map { ', ' . $self->expr($_->{expr}) . " AS g$_->{col}{id}" } @groups;
	my @list = (map { "g$_->{col}{id} AS c$_->{col}{id}" } @groups);
	push @list, $self->list($node->{items}) if @{ $node->{items} };
	my $sql = 'SELECT ' . join(', ', @list) . " FROM (SELECT *$computed FROM $input) AS s" . ++$self->{names};
	my @names = map { "g$_->{col}{id}" } @groups;
	if ($node->{sets})
	{
		$sql .= " GROUP BY $node->{sets} (" . join(', ', $node->{sets} eq 'GROUPING SETS' ? (@names, '()') : @names) . ')';
	}
	elsif (@names)
	{
		$sql .= ' GROUP BY ' . join(', ', @names);
	}
	$sql .= ' ORDER BY ' . join(', ', map { "c$_->{col}{id}$_->{suffix}" } @groups) if $node->{order_groups};
	return $sql;
}

sub print_distinct
{
	my ($self, $node) = @_;
	my $list = join ', ', map { "c$_->{id}" } @{ $node->{cols} };
	return "SELECT DISTINCT $list FROM " . $self->sub_select($node->{in});
}

sub print_order
{
	my ($self, $node) = @_;
	my $items = join ', ', map { $self->expr($_->{expr}) . $_->{suffix} } @{ $node->{items} };
	return 'SELECT * FROM ' . $self->sub_select($node->{in}) . " ORDER BY $items";
}

sub print_limit
{
	my ($self, $node) = @_;
	return 'SELECT * FROM ' . $self->sub_select($node->{in}) . " OFFSET $node->{offset} LIMIT $node->{limit}";
}

sub print_as
{
	my ($self, $node) = @_;
	return $self->query($node->{in});
}

sub print_setop
{
	my ($self, $node) = @_;
	my $sql = 'SELECT ' . $self->renamed($node->{in}{cols}, $node->{cols}) . ' FROM ' . $self->sub_select($node->{in});
	for my $query (@{ $node->{queries} })
	{
		my $list = join ', ', map { "c$_->{id}" } @{ $query->{cols} };
		$sql = "($sql) $node->{kind}" . ($node->{all} ? ' ALL' : '') . " (SELECT $list FROM " . $self->sub_select($query) . ')';
	}
	return $sql;
}

# ---- Expressions ----

sub expr
{
	my ($self, $e) = @_;
	my $kind = $e->{kind};
	return "c$e->{col}{id}" if $kind eq 'col';
	return $self->literal($e) if $kind eq 'lit';
	if ($kind eq 'call')
	{
		my @args = map { $self->expr($_) } @{ $e->{args} };
		return '(' . sprintf($e->{form}{standard}, @args) . ')';
	}
	if ($kind eq 'query')
	{
		return '(' . sprintf($e->{form}, map({ $self->expr($_) } @{ $e->{args} }), $self->one_column($e->{query})) . ')';
	}
	if ($kind eq 'window')
	{
		my $call = sprintf $e->{fn}, map { $self->expr($_) } @{ $e->{args} };
		my $over = '';
		$over .= 'PARTITION BY ' . join(', ', map { $self->expr($_) } @{ $e->{partition} }) if @{ $e->{partition} };
		$over .= ' ORDER BY ' . join(', ', map { $self->expr($_->{expr}) . $_->{suffix} } @{ $e->{order} }) if @{ $e->{order} };
		return "$call OVER ($over)";
	}
	if ($kind eq 'aggregate')
	{
		my $call = sprintf $e->{fn}, map { $self->expr($_) } @{ $e->{args} };
		$call .= ' FILTER (WHERE ' . $self->expr($e->{filter}) . ')' if $e->{filter};
		return $call;
	}
	die "no expression $kind";
}

sub one_column
{
	my ($self, $node) = @_;
	my $list = join ', ', map { "c$_->{id}" } @{ $node->{cols} };
	return "SELECT $list FROM " . $self->sub_select($node);
}

sub literal
{
	my ($self, $e) = @_;
	return "NULL::$cast{ $e->{type} }" if !defined $e->{value};
	return $e->{value} if $e->{type} eq 'int' && $e->{value} >= 0;
	my $text = $e->{value};
	$text =~ s/'/''/g;
	return "'$text'::" . ($e->{type} eq 'num' ? 'numeric' : $cast{ $e->{type} });
}

1;
