# A session of psql that stays, and tells results and errors apart.
package Session;
use strict;
use warnings;

use IPC::Run;

sub new
{
	my ($class, $node, %options) = @_;
	my $self = { in => '', out => '', err => '', turn => 0 };
	$self->{timer} = IPC::Run::timer($options{timeout} // 60);
	$self->{psql} = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr($options{database} // 'postgres'), '-f', '-', '-v', 'ON_ERROR_ROLLBACK=on' ],
		'<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err}, $self->{timer});
	return bless $self, $class;
}

# Hands over statements without waiting for their end.
sub send
{
	my ($self, $statements) = @_;
	my $turn = ++$self->{turn};
	$self->{in} .= "$statements;\n\\echo == $turn\n\\warn == $turn\n";
	$self->{psql}->pump_nb;
	return;
}

# Says whether what was handed over has ended.
sub is_done
{
	my ($self) = @_;
	$self->{psql}->pump_nb if $self->{psql}->pumpable;
	return $self->{out} =~ /^== $self->{turn}\n/m && $self->{err} =~ /^== $self->{turn}\n/m;
}

# Waits for the end; gives results and errors.
sub finish
{
	my ($self) = @_;
	$self->{timer}->start;
	$self->{psql}->pump until $self->is_done || !$self->{psql}->pumpable;
	$self->{timer}->reset;
	my ($out, $err) = ($self->{out}, $self->{err});
	$self->{out} = $self->{err} = '';
	s/^== \d+\n//mg for $out, $err;
	s/^psql:<stdin>:\d+: //mg for $out, $err;
	chomp $out;
	return ($out, $err);
}

sub run
{
	my ($self, $statements) = @_;
	$self->send($statements);
	return $self->finish;
}

# The result of statements that have no error.
sub ok
{
	my ($self, $statements) = @_;
	my ($out, $err) = $self->run($statements);
	die "$err\nby: $statements\n" if $err =~ /ERROR|FATAL|PANIC|server closed/;
	return $out;
}

sub quit
{
	my ($self) = @_;
	$self->{in} .= "\\q\n";
	$self->{psql}->finish;
	return;
}

1;
