#!/bin/sh
# A client of syncd in plain shell, with socat for the socket and jq for JSON:
# what "Write a client in an afternoon" in proto/PROTOCOL.md asks for.
#
#   client.sh call METHOD [PARAMS]      prints the result
#   client.sh work QUEUE COMMAND...     runs it on each job, its body on stdin,
#                                       until the queue is closed
#   client.sh lock NAME COMMAND...      runs it under the lock
#
# The socket is SYNCD_SOCKET. One request at a time; the connection is a session
# with a grace, which is taken up again after a restart of the daemon.
# shellcheck disable=SC2317 # work and lock are called by name
set -u

grace=30
session='' secret='' id=0 socat=''
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap '' PIPE # a daemon that is gone is told by printf, not by the end of us

say()
{
    printf 'client.sh: %s\n' "$*" >&2
}

# A connection: requests go to descriptor 3, replies come from 4.
connect()
{
    rm -f "$folder/to" "$folder/from"
    mkfifo "$folder/to" "$folder/from"
    socat - "UNIX-CONNECT:$SYNCD_SOCKET" \
        <"$folder/to" >"$folder/from" 2>/dev/null &
    socat=$!
    exec 3>"$folder/to" 4<"$folder/from"
}

disconnect()
{
    exec 3>&- 4<&-
    kill "$socat" 2>/dev/null
    wait "$socat" 2>/dev/null
}

# Sends a line and waits for the reply to this id: $result, or $error. 1: the
# connection is over, or the daemon shuts down; then this is for the next one.
exchange()
{
    printf '%s\n' "$2" >&3 2>/dev/null || return 1
    while IFS= read -r reply <&4; do
        found=$(printf '%s\n' "$reply" | jq -cr "select(.id == $1) |"'
            if .error == null then "result \(.result | tojson)"
            elif .error.data.name == "unavailable" then "again"
            else "error \(.error | tojson)" end')
        result='' error=''
        case $found in
        result*) result=${found#result } && return 0 ;;
        error*) error=${found#error } && return 0 ;;
        again) return 1 ;;
        esac
    done
    return 1
}

# Opens the session, or takes it up again. 1: try again; 2: it is lost.
open_session()
{
    id=$((id + 1))
    hello=$(jq -cn --argjson id "$id" --argjson grace "$grace" \
        --arg session "$session" --arg secret "$secret" '
        {jsonrpc: "2.0", id: $id, method: "session.open", params:
            ({client: "client.sh", grace: $grace} +
             if $session == "" then {} else
                {resume: {session: ($session | tonumber), secret: $secret}}
             end)}')
    exchange "$id" "$hello" || return 1
    [ -z "$error" ] || return 1
    if [ -n "$session" ] && [ "$(of .resumed)" = false ]; then
        return 2
    fi
    session=$(of .session)
    secret=$(of .secret)
}

# Until the session is there, for as long as it is kept for us.
reach()
{
    until=$(($(date +%s) + grace))
    while :; do
        connect
        status=0
        open_session || status=$?
        [ "$status" -ne 0 ] || return 0
        disconnect
        if [ "$status" -eq 2 ] || [ "$(date +%s)" -ge "$until" ]; then
            say "the session is lost, and what it held is free"
            exit 69
        fi
        sleep 0.1
    done
}

# call METHOD PARAMS: the result is in $result; 1: the error is in $error.
call()
{
    id=$((id + 1))
    mine=$id
    line=$(jq -cn --argjson id "$id" --arg method "$1" --argjson params "$2" \
        '{jsonrpc: "2.0", id: $id, method: $method, params: $params}')
    # A request without an answer is sent again under the same id, and so
    # carried out once.
    until exchange "$mine" "$line"; do
        disconnect
        reach
    done
    [ -z "$error" ]
}

error_name()
{
    printf '%s\n' "$error" | jq -r .data.name
}

must()
{
    if ! call "$@"; then
        printf '%s\n' "$error" | jq -r .message >&2
        exit 1
    fi
}

# of EXPRESSION: that part of $result, as text.
of()
{
    printf '%s\n' "$result" | jq -cr "$1"
}

# A command of the user's, which knows nothing of our connection.
run()
(
    trap - PIPE
    exec "$@" 3>&- 4<&-
)

work()
{
    queue=$1
    shift
    while call queue.get "$(jq -cn --arg queue "$queue" '{queue: $queue}')"; do
        which=$(of '.jobs[0] | {id, token}')
        body=$(of '.jobs[0].body')
        # The command need not read it.
        if printf '%s\n' "$body" 2>/dev/null | run "$@"; then
            must queue.done "$which"
        else
            must queue.fail "$(printf '%s\n' "$which" |
                jq -c --argjson status "$?" '. + {error: {status: $status}}')"
        fi
    done
    [ "$(error_name)" = queue_closed ]
}

lock()
{
    name=$1
    shift
    must lock.acquire "$(jq -cn --arg lock "$name" '{lock: $lock}')"
    SYNCD_TOKEN=$(of .token)
    export SYNCD_TOKEN
    run "$@"
    status=$?
    must lock.release "$(jq -cn --arg lock "$name" '{lock: $lock}')"
    return "$status"
}

usage()
{
    say "usage: client.sh call METHOD [PARAMS] | work QUEUE COMMAND... |" \
        "lock NAME COMMAND..."
    exit 2
}

[ $# -ge 2 ] || usage
what=$1
shift
reach
case $what in
call)
    must "$1" "${2-"{}"}"
    printf '%s\n' "$result"
    ;;
work | lock)
    "$what" "$@"
    ;;
*) usage ;;
esac
status=$?
disconnect
exit "$status"
