# write-file PATH BYTES MODE USER GROUP LOCK [VALIDATE ARG...]: puts the content on stdin in place, whole or not at all. BYTES is how
# much there is to come: a connection that is cut looks like the end of a shorter content. Exits 74 then, 75 when a pull holds the lock, 65 when the validation refuses the content, 73 when the folder is not safe to write in.
set -eu; umask 022
PATH=/usr/sbin:/usr/bin:/sbin:/bin; export PATH
path=$1 bytes=$2 mode=$3 user=$4 group=$5 lock=$6; shift 6
folder=$(dirname -- "$path")
me=$(id -u)

# A folder that somebody else may write in could hold a planted link by the time we rename: refuse it.
safe() {
    [ -d "$1" ] || { echo "$1 is not a folder" >&2; exit 73; }
    case $(stat -c '%u %a' -- "$1") in
        "0 "*[2367]?|"0 "*[2367]|"$me "*[2367]?|"$me "*[2367]) case $(stat -c %a -- "$1") in 1???) ;; *) echo "$1 can be written by others than its owner" >&2; exit 73 ;; esac ;;
        "0 "*|"$me "*) ;;
        *) echo "$1 belongs to another user" >&2; exit 73 ;;
    esac
}
up=$folder
while [ ! -e "$up" ]; do up=$(dirname -- "$up"); done
real=$(realpath -- "$up")
while :; do safe "$real"; [ "$real" != / ] || break; real=$(dirname -- "$real"); done
mkdir -p -- "$folder"

find "$folder" -ignore_readdir_race -maxdepth 1 -name '.borgpull.????????' -type f -mmin +10 -exec rm -f -- {} + # a power cut left it
temp=$(mktemp -- "$folder/.borgpull.XXXXXXXX")
trap 'rm -f -- "$temp"' EXIT
trap 'exit 74' HUP INT TERM PIPE
# sshd may never learn that a connection is dead: we wait for so long, and take the lock when all is here.
timeout 120 cat >"$temp" || :
[ "$(wc -c <"$temp")" -eq "$bytes" ] || { echo "the connection was cut" >&2; exit 74; }
between_pulls "$lock"
chown -- "$user:$group" "$temp"
chmod -- "$mode" "$temp"
if [ $# -gt 0 ]; then
    count=$#
    while [ "$count" -gt 0 ]; do
        argument=$1; shift; count=$((count - 1))
        [ "$argument" = %s ] && argument=$temp
        set -- "$@" "$argument"
    done
    "$@" </dev/null >&2 || exit 65
fi
sync -- "$temp"
mv -fT -- "$temp" "$path"
sync -- "$folder"
