#!/bin/sh
# Is the miner well? One line a finding, and the exit code: 0 well, 1 not, 2 warnings alone. Root runs it.
#
#   sh health.sh            for people
#   sh health.sh --json     one JSON object: service, restarts, windows and errors of the last hour, doctor's own object
set -eu

json=''
case ${1:-} in
    '') ;;
    --json) json=yes ;;
    -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "health.sh: $1 is no flag of this script; see --help" >&2; exit 2 ;;
esac
as_service=''
for folder in /usr/local /usr; do
    if [ -x "$folder/share/grail/as-service" ]; then as_service=$folder/share/grail/as-service; break; fi
done
[ -n "$as_service" ] || { echo "health.sh: GRAIL is not installed here; see setup.sh" >&2; exit 1; }

# Outside systemd (a container) there is no service to ask about, and no journal.
state=unknown restarts=0 log=''
if [ -d /run/systemd/system ]; then
    state=$(systemctl is-active grail-miner || true)
    restarts=$(systemctl show -p NRestarts --value grail-miner)
    log=$(journalctl -u grail-miner --since -1hour --output cat --no-pager 2>/dev/null || true)
fi
count() { printf '%s\n' "$log" | grep -c -e "$1" || true; }
windows=$(count '; uploaded ')
errors=$(count 'ERROR')
kept=$(count '; NOT uploaded')

doctor=0
if [ -n "$json" ]; then
    found=$("$as_service" miner grail doctor --json) || doctor=$?
else
    "$as_service" miner grail doctor || doctor=$?
fi
status=$doctor
case $state in active | unknown) ;; *) status=1 ;; esac
if [ "$kept" -gt 0 ]; then status=1; fi

if [ -n "$json" ]; then
    printf '{"service":"%s","restarts":%s,"uploads_last_hour":%s,"refused_by_own_check_last_hour":%s,"errors_last_hour":%s,"code":%s,"doctor":%s}\n' \
        "$state" "${restarts:-0}" "$windows" "$kept" "$errors" "$status" "${found:-null}"
else
    echo "service: $state, restarted ${restarts:-0} times; last hour: $windows uploads, $kept refused by the own check, $errors errors"
fi
exit "$status"
