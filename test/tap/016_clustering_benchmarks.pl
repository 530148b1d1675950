# segment.kmeans with default options beside scikit-learn's best of ten restarts, on the clustering benchmark sets of
# https://github.com/gagolews/clustering-data-v1 (Gagolewski 2022): for the numbers of clusters that the sets' labels
# name, and for ten clusters. PGSEG_CLUSTERING_DATA names the folder that holds the sets (BATTERY/NAME.data.gz with
# BATTERY/NAME.labels0.gz and so on); without it, or without scikit-learn, the test is skipped. It takes minutes.
use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $data = $ENV{PGSEG_CLUSTERING_DATA};
plan skip_all => 'PGSEG_CLUSTERING_DATA names no folder with the sets'
  unless $data && glob "$data/*/*.data.gz";
my ($python) = grep { system("$_ -c 'import sklearn' 2>/dev/null") == 0 } 'python3', '/usr/bin/python3';
plan skip_all => 'no Python with scikit-learn' unless $python;

# Scikit-learn's own results differ by up to 1.3 % from seed to seed.
use constant {
	LARGEST_SET => 10_000,
	TOLERANCE => 0.001,
};

# Answers a line "FILE K K ..." with the inertia for each number of clusters.
my $peer_script = <<'PYTHON';
import sys
import numpy as np
from sklearn.cluster import KMeans

for line in sys.stdin:
    path, *numbers = line.split()
    points = np.loadtxt(path, ndmin=2)
    print(*(repr(KMeans(n_clusters=int(k), n_init=10, random_state=0).fit(points).inertia_) for k in numbers))
PYTHON

sub lines_of
{
	my ($file) = @_;
	open my $unpacked, '-|', 'gzip', '-dc', $file or die "cannot read $file: $!";
	chomp(my @lines = <$unpacked>);
	close $unpacked or die "cannot unpack $file";
	return grep { /\S/ } @lines;
}

# The label 0 stands for noise.
sub labelled_clusters
{
	my ($file) = @_;
	my %labels = map { $_ + 0 => 1 } lines_of($file);
	return scalar grep { $_ != 0 } keys %labels;
}

# Sets with the numbers of clusters to look for, fewer than there are distinct rows.
my @sets;
for my $file (sort glob "$data/*/*.data.gz")
{
	my ($name) = $file =~ m{([^/]+/[^/]+)\.data\.gz$};
	my @rows = map { join ',', split } lines_of($file);
	my %distinct = map { $_ => 1 } @rows;
	next if @rows > LARGEST_SET || @rows == 0;
	(my $labels = $file) =~ s/\.data\.gz$/.labels/;
	my %numbers = map { $_ => 1 } 10, map { labelled_clusters($_) } glob "$labels*.gz";
	my @numbers = sort { $a <=> $b } grep { $_ > 0 && $_ < keys %distinct } keys %numbers;
	push @sets, { name => $name, file => $file, rows => \@rows, numbers => \@numbers } if @numbers;
}

my $questions = PostgreSQL::Test::Utils::tempdir() . '/questions';
append_to_file($questions, join ' ', $_->{file}, @{ $_->{numbers} }, "\n") for @sets;
my $script = PostgreSQL::Test::Utils::tempdir() . '/peer.py';
append_to_file($script, $peer_script);
# On small sets more threads cost more than they do.
local $ENV{OMP_NUM_THREADS} = 1;
my @answers = split /\n/, `$python '$script' <'$questions'`;
is(scalar @answers, scalar @sets, 'scikit-learn has clustered every set');

my $node = PostgreSQL::Test::Cluster->new('benchmarks');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION pg_segment; CREATE TABLE points (features double precision[])');

my ($smallest, $largest) = ('Inf', 0);
for my $set (@sets)
{
	my @published = split ' ', shift @answers;
	my $values = join "\n", map { "{$_}" } @{ $set->{rows} };
	my $answer = $node->safe_psql('postgres', <<"SQL");
TRUNCATE points;
COPY points FROM STDIN;
$values
\\.
SELECT (segment.model_info(segment.kmeans(features, k))).inertia
FROM points, unnest('{@{[join ',', @{ $set->{numbers} }]}}'::integer[]) AS k GROUP BY k ORDER BY k;
SQL
	my @ours = split /\n/, $answer;
	my @worse;
	for my $i (0 .. $#published)
	{
		my $ratio = $published[$i] > 0 ? $ours[$i] / $published[$i] : 1;
		$smallest = $ratio if $ratio < $smallest;
		$largest = $ratio if $ratio > $largest;
		push @worse, "k = $set->{numbers}[$i]: $ours[$i], scikit-learn $published[$i], ratio $ratio"
		  unless $ours[$i] <= $published[$i] * (1 + TOLERANCE) + 1e-12;
	}
	ok(!@worse, "$set->{name}, k = " . join(', ', @{ $set->{numbers} })) or diag(join "\n", @worse);
}
note("ratios from $smallest to $largest");

$node->stop;
done_testing();
