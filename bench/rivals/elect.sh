#!/bin/sh
# A script around `etcdctl elect`, which itself runs nothing: elect.sh ETCDCTL ENDPOINTS ELECTION CANDIDATE COMMAND...
# Starts COMMAND when etcdctl says that it won; on SIGTERM ends it, waits for its end, and only then lets etcdctl resign.
etcdctl=$1 endpoints=$2 election=$3 candidate=$4
shift 4
pipe=$(mktemp -u) && mkfifo "$pipe" && exec 3<>"$pipe" && rm "$pipe"
"$etcdctl" --endpoints "$endpoints" elect "$election" "$candidate" >&3 3>&- </dev/null &
elect=$!
trap 'kill -TERM $elect; wait $elect; exit 0' TERM
read -r _ <&3 && read -r _ <&3
"$@" 3>&- &
command=$!
trap 'kill -TERM $command' TERM
wait $command
wait $command 2>/dev/null
kill -TERM $elect
wait $elect
