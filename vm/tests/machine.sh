# shellcheck shell=dash
#
# The first process of a machine on which nothing is mounted: it mounts what is missing and turns the machine off. The
# library's own test plays it.
export PATH=/bin:/usr/bin
mkdir /tmp/nothing
export ORCHESTRATION_FIRST_PROCESS=1
exec unit-tests --exact lithos::init::tests::the_first_process_of_a_machine --nocapture --test-threads=1
