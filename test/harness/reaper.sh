#!/bin/sh
# A process beside a test that removes the test's homes once the test is gone, be it by SIGKILL. It reads their names from a
# pipe that only the test holds open. Homes are mere files, most of the time; where servers were started in one of them it
# is reaper.ts's matter, which costs a Node. Its own session keeps a terminal's Ctrl-C from it.
node=$1
reaper=$2
homes=
while IFS= read -r home; do
  # The latest first: one may have been made inside another.
  homes="$home
$homes"
done
each() {
  printf '%s' "$homes" | while IFS= read -r home; do "$1" "$home" || return 1; done
}
remove() { rm -rf -- "$1"; }
has_no_servers() { ! [ -e "$1/servers" ] && ! [ -L "$1/servers" ]; }
if each has_no_servers; then
  each remove
else
  printf '%s' "$homes" | exec "$node" --disable-warning=ExperimentalWarning "$reaper"
fi
