# key-line PATH LINE [BLOB...]: LINE takes the place of every line that holds one of these keys; with an empty LINE they are removed, and the
# file with the last of them. The folder is locked meanwhile: two jobs' lines stand in one file.
set -eu; umask 022
LC_ALL=C; PATH=/usr/sbin:/usr/bin:/sbin:/bin; export LC_ALL PATH
path=$1 LINE=$2; shift 2
BLOBS=$*; export LINE BLOBS
folder=$(dirname -- "$path")
exec 8<"$folder"; flock -x -w 30 8
[ ! -L "$path" ] || { echo "$path is a symbolic link" >&2; exit 73; }
old=/dev/null
[ ! -e "$path" ] || old=$path
temp=$(mktemp -- "$folder/.borgpull.XXXXXXXX")
trap 'rm -f -- "$temp"' EXIT
trap 'exit 74' HUP INT TERM
awk '
    BEGIN { count = split(ENVIRON["BLOBS"], blobs, " "); line = ENVIRON["LINE"] }
    { ours = 0; for (i = 1; i <= count; i++) if (index($0, blobs[i])) ours = 1
      if (!ours) print; else if (line != "") { print line; line = "" } }
    END { if (line != "") print line }' "$old" >"$temp"
if [ -s "$temp" ]; then
    chown 0:0 "$temp"; chmod 644 "$temp"; sync -- "$temp"
    mv -fT -- "$temp" "$path"
else
    rm -f -- "$path"
fi
sync -- "$folder"
