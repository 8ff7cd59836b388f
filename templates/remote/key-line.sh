# key-line PATH LOCK [BLOB...]: the new line on stdin takes the place of every line that holds one of these keys; with no line on stdin
# they are removed, and the file with the last of them. Exits 75 when a pull holds the lock.
set -eu; umask 022
LC_ALL=C; PATH=/usr/sbin:/usr/bin:/sbin:/bin; export LC_ALL PATH
path=$1 lock=$2; shift 2
if [ -n "$lock" ] && [ -e "$lock" ]; then exec 9<"$lock"; flock -x -w 3 9 || exit 75; fi
folder=$(dirname -- "$path")
exec 8<"$folder"; flock -x -w 30 8 # two jobs' lines stand in one file
[ ! -L "$path" ] || { echo "$path is a symbolic link" >&2; exit 73; }
temp=$(mktemp -- "$folder/.borgpull.XXXXXXXX")
trap 'rm -f -- "$temp"' EXIT
LINE=$(cat); BLOBS=$*; export LINE BLOBS
[ ! -f "$path" ] || cat -- "$path" >"$temp.in"
[ -f "$path" ] || : >"$temp.in"
awk '
    BEGIN { count = split(ENVIRON["BLOBS"], blobs, " "); line = ENVIRON["LINE"] }
    { ours = 0; for (i = 1; i <= count; i++) if (index($0, blobs[i])) ours = 1
      if (!ours) print; else if (line != "") { print line; line = "" } }
    END { if (line != "") print line }' "$temp.in" >"$temp"
rm -f -- "$temp.in"
if [ -s "$temp" ]; then
    chown 0:0 "$temp"; chmod 644 "$temp"; sync -- "$temp"
    mv -fT -- "$temp" "$path"
else
    rm -f -- "$path"
fi
sync -- "$folder"
