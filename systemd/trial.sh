#!/bin/sh
# /usr/lib/smgw/trial: is the running slot on trial? Without Python, since a broken version must be given up, too.
#   trial running    exit code 0 if a new version runs that was not found good yet
#   trial end        it is good: no longer on trial
set -eu

slot=$(sed -n 's/^\(.* \)\?rauc\.slot=\([AB]\).*/\2/p' /proc/cmdline)
file=/var/lib/smgw/update/trial-$slot.json
case ${1-} in
    running) test -n "$slot" && test -e "$file" ;;
    end) rm -f "$file" ;;
    *) echo "trial: running or end" >&2 && exit 2 ;;
esac
