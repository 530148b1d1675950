# The SQL in README.md and docs/*.md runs, and prints what the pages say it prints. Each page has a database
# and a psql session of its own, whose blocks run in order: what a page needs, it shows.
#
#   ```sql            runs. It must not fail, unless the output block below it shows the error.
#   ```output         what the sql block above it prints: psql -X, aligned, TimeZone UTC, DateStyle ISO.
#                     Compared exactly, but for blanks at the ends of lines.
#   ```sql no-output  runs and must not fail; what it prints is not compared (timings, random choices).
#   ```sql no-run     does not run: it needs what a page cannot show, like another server.
#
# All other blocks are for readers only. CREATE EXTENSION runs first unless the page does it. Links between
# the pages are followed, too.
#
# To write a new example, leave its output block empty and let the test fill it in; the same brings all pages
# up to date after a change:
#
#   PGSEG_DOCS_UPDATE=1 prove -I .../src/test/perl test/tap/006_docs.pl
#
# (with what check.sh sets for TAP tests). It rewrites the output blocks of the pages above this file, which
# must be writable. It fails where an example fails that did not fail before; read the rest of the difference
# yourself.
use strict;
use warnings;

use File::Basename qw(dirname basename);
use File::Spec;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = File::Spec->rel2abs(dirname(__FILE__) . '/../..');
my $update = $ENV{PGSEG_DOCS_UPDATE};
my @pages = ("$root/README.md", sort glob "$root/docs/*.md");

my $node = PostgreSQL::Test::Cluster->new('docs');
$node->init;
$node->append_conf('postgresql.conf', 'jit = off'); # it shows in plans
$node->start;

# The page as a list of blocks: { fence => info string, line => number, text => [lines] }. Prose is a block
# without a fence, and joined again the blocks are the page.
sub read_blocks
{
	my ($page) = @_;
	my @blocks;
	my $block = { line => 1, text => [] };
	my $number = 0;
	for my $line (split /^/, slurp_file($page))
	{
		$number++;
		if (!defined $block->{fence} && $line =~ /^```(.*)$/)
		{
			push @blocks, $block;
			$block = { fence => $1, line => $number, text => [] };
		}
		elsif (defined $block->{fence} && $line =~ /^```\s*$/)
		{
			push @blocks, $block;
			$block = { line => $number + 1, text => [] };
		}
		else
		{
			push @{ $block->{text} }, $line;
		}
	}
	die basename($page) . ": the block of line $block->{line} has no end\n" if defined $block->{fence};
	return (@blocks, $block);
}

sub write_blocks
{
	my ($page, @blocks) = @_;
	open my $file, '>', $page or die "cannot write $page: $!";
	for my $block (@blocks)
	{
		my $text = join '', @{ $block->{text} };
		print $file defined $block->{fence} ? "```$block->{fence}\n$text```\n" : $text;
	}
	close $file or die "cannot write $page: $!";
}

# Pairs of an sql block and the output block after it, if any; nothing but prose may stand between them.
sub examples
{
	my @examples;
	for my $block (grep { defined $_->{fence} } @_)
	{
		if ($block->{fence} =~ /^sql\b/)
		{
			push @examples, { sql => $block };
		}
		elsif ($block->{fence} eq 'output')
		{
			die "line $block->{line}: an output block without an sql block\n"
			  unless @examples && !$examples[-1]{closed} && $examples[-1]{sql}{fence} eq 'sql';
			$examples[-1]{output} = $block;
		}
		$examples[-1]{closed} = 1 if @examples && $block != $examples[-1]{sql};
	}
	return grep { $_->{sql}{fence} ne 'sql no-run' } @examples;
}

sub without_blanks
{
	my ($text) = @_;
	$text =~ s/[ \t]+$//mg;
	$text =~ s/\A\n+//;
	$text =~ s/\n*\z/\n/;
	return $text eq "\n" ? '' : $text;
}

# Runs all of them in one session, and notes what each printed.
sub run_examples
{
	my ($database, @examples) = @_;
	my $mark = '======== end of example';
	my $script = join '', map { join('', @{ $_->{sql}{text} }) . "\\echo $mark\n" } @examples;
	local $ENV{PGTZ} = 'UTC';
	local $ENV{PGDATESTYLE} = 'ISO, MDY';
	my $printed = '';
	IPC::Run::run([ 'psql', '-X', '-d', $node->connstr($database) ],
		'<', \$script, '>&', \$printed, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	my @printed = split /^\Q$mark\E\n/m, $printed, -1;
	die "the session ended early: $printed\n" unless @printed == @examples + 1;
	$_->{printed} = without_blanks(shift @printed) for @examples;
}

my $databases = 0;
my $failure = qr/^(ERROR|FATAL|PANIC|WARNING|invalid command|\\\w+:|psql:)/m;

sub check_page
{
	my ($page) = @_;
	my @blocks = read_blocks($page);
	my @examples = examples(@blocks);
	if (basename($page) eq 'README.md')
	{
		cmp_ok(scalar(@examples), '>', 0, 'there are examples');
	}
	return unless @examples;

	my $database = 'page_' . ++$databases;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, 'CREATE EXTENSION pg_segment')
	  unless grep { /^CREATE EXTENSION pg_segment/ } map { @{ $_->{sql}{text} } } @examples;
	run_examples($database, @examples);

	for my $example (@examples)
	{
		my ($sql, $output) = @{$example}{qw(sql output)};
		my $name = "line $sql->{line}: " . substr(($sql->{text}[0] // '') =~ s/\s+$//r, 0, 60);
		if ($output && $update)
		{
			my $before = join '', @{ $output->{text} };
			$output->{text} = [ $example->{printed} ];
			ok($before =~ $failure || $example->{printed} !~ $failure, "$name (updated)") || diag($example->{printed});
		}
		elsif ($output)
		{
			is($example->{printed}, without_blanks(join '', @{ $output->{text} }), $name);
		}
		else
		{
			unlike($example->{printed}, $failure, $name);
		}
	}
	write_blocks($page, @blocks) if $update;
}

# Relative links lead to files.
sub check_links
{
	my ($page) = @_;
	for my $block (grep { !defined $_->{fence} } read_blocks($page))
	{
		for my $target (join('', @{ $block->{text} }) =~ /\]\(([^)\s#]+)[^)]*\)/g)
		{
			next if $target =~ /^[a-z]+:/;
			ok(-e dirname($page) . "/$target", "link to $target");
		}
	}
}

for my $page (@pages)
{
	subtest basename($page) => sub {
		check_links($page);
		check_page($page);
		pass('read'); # a page may have neither
	};
}

$node->stop;
unlike(slurp_file($node->logfile), qr/terminated by signal|TRAP:|PANIC/, 'no crash in the server log');
done_testing();
