# What the tests of background work share: the CPU time of its processes, read from outside.
package Budget;

use strict;
use warnings;

use Exporter 'import';
use Time::HiRes qw(sleep time);
use POSIX ();

our @EXPORT = qw(children titles cpu_of watch_cpu worst_window mean_cpu);

my $ticks = POSIX::sysconf(POSIX::_SC_CLK_TCK());

# The processes of background work below a postmaster: pid => CPU seconds.
sub children
{
	my ($node) = @_;
	my ($postmaster) = PostgreSQL::Test::Utils::slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	my %seconds;
	for my $stat (glob '/proc/[0-9]*/stat')
	{
		open my $file, '<', $stat or next;
		my $line = <$file> // next;
		my ($pid, $rest) = $line =~ /^(\d+) \(.*\) (.*)$/ or next;
		my @fields = split / /, $rest;
		next if $fields[1] != $postmaster;
		open my $title, '<', "/proc/$pid/cmdline" or next;
		my $name = <$title> // '';
		$seconds{$pid} = ($fields[11] + $fields[12]) / $ticks if $name =~ /heliosdb (launcher|worker)/;
	}
	return %seconds;
}

# How many processes have such a title.
sub titles
{
	my ($pattern) = @_;
	my $count = 0;
	for my $file (glob '/proc/[0-9]*/cmdline')
	{
		open my $title, '<', $file or next;
		$count++ if (<$title> // '') =~ $pattern;
	}
	return $count;
}

# CPU seconds of all processes so far, those that have ended included; the state is a hash of the caller.
sub cpu_of
{
	my ($node, $seen) = @_;
	my %now = children($node);
	$seen->{$_} = $now{$_} for keys %now;
	my $sum = 0;
	$sum += $_ for values %$seen;
	return $sum;
}

# Samples for some seconds; returns [time, CPU seconds] pairs. Calls a function at each sample.
sub watch_cpu
{
	my ($node, $seconds, $seen, $at_sample) = @_;
	my @samples;
	my $end = time + $seconds;
	while (time < $end)
	{
		push @samples, [ time, cpu_of($node, $seen) ];
		$at_sample->() if $at_sample;
		sleep 0.1;
	}
	return @samples;
}

# The highest use over any window of ten seconds, in percent of so many cores.
sub worst_window
{
	my ($cores, @samples) = @_;
	my $worst = 0;
	my $from = 0;
	for my $to (@samples)
	{
		$from++ while $from < $#samples && $to->[0] - $samples[$from][0] > 10;
		my $length = $to->[0] - $samples[$from][0];
		next if $length < 9.5;
		my $percent = ($to->[1] - $samples[$from][1]) / $length / $cores * 100;
		$worst = $percent if $percent > $worst;
	}
	return $worst;
}

sub mean_cpu
{
	my ($cores, @samples) = @_;
	return ($samples[-1][1] - $samples[0][1]) / ($samples[-1][0] - $samples[0][0]) / $cores * 100;
}

1;
