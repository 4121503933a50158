# The rule of names in a pipe: which columns a stage sees, bare and behind a range variable.
#
#   { cols => [column …], vars => { alias => [column …] }, many => 0 | 1, select_only => 0 | 1 }
#
# A column is { id, name, type }; ids are unique in a tree. `many`: the range variables come from a join.
# `select_only`: an ORDER BY or LIMIT of a join, after which only a plain SELECT still sees the range variables.
package Flux::Scope;
use strict;
use warnings;

sub of_item
{
	my ($alias, @cols) = @_;
	return { cols => [@cols], vars => { $alias => [@cols] }, many => 0, select_only => 0 };
}

# A finished query: nothing but columns.
sub of_columns
{
	my (@cols) = @_;
	return { cols => [@cols], vars => {}, many => 0, select_only => 0 };
}

# What is left when the query so far becomes a subquery: of a single table its range variable, and of its columns
# those that no later one shares the name with.
sub closed
{
	my ($scope) = @_;
	my @cols = @{ $scope->{cols} };
	my ($name) = $scope->{many} ? () : keys %{ $scope->{vars} };
	return of_columns(@cols) if !defined $name;
	my @kept = grep { has_name(\@cols, $_->{name}) == 1 } @{ $scope->{vars}{$name} };
	return { %{ of_columns(@cols) }, vars => { $name => \@kept } };
}

sub joined
{
	my ($left, $right, @cols) = @_;
	return { cols => [@cols], vars => { %{ $left->{vars} }, %{ $right->{vars} } }, many => 1, select_only => 0 };
}

sub has_name
{
	my ($cols, $name) = @_;
	return scalar grep { $_->{name} eq $name } @$cols;
}

# The ways to name a column: [undef, name] is the bare one, [alias, name] behind a range variable.
sub names
{
	my ($scope, $col) = @_;
	my @found;
	my $unique_in = sub {
		my @same = grep { $_->{name} eq $col->{name} } @{ $_[0] };
		return @same == 1 && $same[0]{id} == $col->{id};
	};
	push @found, [ undef, $col->{name} ] if $unique_in->($scope->{cols});
	push @found, map { [ $_, $col->{name} ] } grep { $unique_in->($scope->{vars}{$_}) } sort keys %{ $scope->{vars} };
	return @found;
}

# All columns that have a name.
sub usable
{
	my ($scope) = @_;
	my %seen;
	return grep { !$seen{ $_->{id} }++ && names($scope, $_) }
	  (@{ $scope->{cols} }, map { @{ $scope->{vars}{$_} } } sort keys %{ $scope->{vars} });
}

# The scope in which the expressions of a stage stand.
sub entering
{
	my ($scope, $node) = @_;
	return $scope if !$scope->{select_only};
	return $scope if $node->{op} eq 'select' && $node->{plain};
	return closed($scope);
}

# The scope behind a stage, given the one that it entered with.
sub leaving
{
	my ($scope, $node) = @_;
	my $op = $node->{op};
	return $scope if $op eq 'where';
	return { %$scope, cols => $node->{cols} } if $op eq 'extend' && !$node->{window};
	return closed({ %$scope, cols => $node->{cols} }) if $op eq 'extend' || $op eq 'distinct';
	return of_item($node->{alias}, @{ $node->{cols} }) if $op eq 'as';
	return joined($scope, $node->{right}{scope}, @{ $node->{cols} }) if $op eq 'join';
	return $scope->{many} ? { %$scope, select_only => 1 } : closed($scope) if $op eq 'order' || $op eq 'limit';
	return of_columns(@{ $node->{cols} });
}

1;
