# A client that speaks PostgreSQL's protocol itself: the extended one with parameters, and every field of errors and
# command tags, which psql does not show.
package WireClient;

use strict;
use warnings;

use IO::Socket;

# Connects to a node and a database, as the superuser, with trust.
sub new
{
	my ($class, $node, $database) = @_;
	my $self = bless { socket => $node->raw_connect }, $class;
	my $startup = pack('N', 196608) . "user\0" . getpwuid($<) . "\0database\0$database\0\0";
	$self->{socket}->send(pack('N', 4 + length $startup) . $startup);
	$self->result;
	return $self;
}

# Sends one message, its type first.
sub send_message
{
	my ($self, $type, $body) = @_;
	$self->{socket}->send($type . pack('N', 4 + length $body) . $body);
	return;
}

sub read_bytes
{
	my ($self, $length) = @_;
	my $bytes = '';
	while (length $bytes < $length)
	{
		sysread($self->{socket}, $bytes, $length - length $bytes, length $bytes) or die 'the server closed the connection';
	}
	return $bytes;
}

# Reads up to "ready for query": columns and rows as psql -A prints them, command tags, fields of the last error.
sub result
{
	my ($self) = @_;
	my %result = (columns => '', rows => [], tags => [], error => {});
	while (1)
	{
		my ($type, $length) = unpack('aN', $self->read_bytes(5));
		my $body = $self->read_bytes($length - 4);
		if ($type eq 'T')
		{
			$result{columns} = join('|', unpack('x2 (Z* x18)*', $body));
		}
		elsif ($type eq 'D')
		{
			my ($count, $values) = unpack('n a*', $body);
			my @row;
			for (1 .. $count)
			{
				my $size = unpack('l>', $values);
				push @row, $size < 0 ? '' : substr($values, 4, $size);
				$values = substr($values, 4 + ($size < 0 ? 0 : $size));
			}
			push @{ $result{rows} }, join('|', @row);
		}
		elsif ($type eq 'C') { push @{ $result{tags} }, unpack('Z*', $body); }
		elsif ($type eq 'E') { $result{error} = { map { substr($_, 0, 1) => substr($_, 1) } split(/\0/, $body) }; }
		elsif ($type eq 'Z') { return \%result; }
	}
}

# Runs a text, which may be several statements, through the simple protocol.
sub simple
{
	my ($self, $sql) = @_;
	$self->send_message('Q', "$sql\0");
	return $self->result;
}

# Makes a prepared statement; without a name, the unnamed one.
sub parse
{
	my ($self, $sql, $name) = @_;
	$self->send_message('P', ($name // '') . "\0$sql\0" . pack('n', 0));
	return;
}

# Binds text parameters to a prepared statement, describes and executes it.
sub execute
{
	my ($self, $name, @parameters) = @_;
	my $values = join('', map { pack('N/a*', $_) } @parameters);
	$self->send_message('B', "\0$name\0" . pack('nn', 0, scalar @parameters) . $values . pack('n', 0));
	$self->send_message('D', "P\0");
	$self->send_message('E', "\0" . pack('N', 0));
	$self->send_message('S', '');
	return $self->result;
}

# Parses and executes in one go, as PQexecParams does.
sub extended
{
	my ($self, $sql, @parameters) = @_;
	$self->parse($sql);
	return $self->execute('', @parameters);
}

# Prepares by name, then executes.
sub prepared
{
	my ($self, $sql, @parameters) = @_;
	my $name = 'statement_' . ++$self->{statements};
	$self->parse($sql, $name);
	$self->send_message('S', '');
	my $result = $self->result;
	return %{ $result->{error} } ? $result : $self->execute($name, @parameters);
}

1;
